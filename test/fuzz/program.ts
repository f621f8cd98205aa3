import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { type Entry, entriesOf, type Portside } from '../support/entries.js'
import { type EntryPoints, runnerEntries } from '../support/runner-entries.js'
import { attempt } from './attempt.js'
import { Oracle } from './oracle.js'
import { randomOf } from './random.js'
import { combined, refusesUnknown, systematic, type Try } from './tries.js'

// Fuzzes one build in this process, and prints a line of JSON with the result of each entry. `run.ts` starts it in a private network.

/** The result of an entry in one of the two rounds. */
export interface Result {
  readonly is: string
  readonly tries: number
  /** The number of tries that were skipped because the time was over. */
  readonly left: number
  readonly accepted: number
  readonly refused: number
  readonly complaints: readonly string[]
}

const { values } = parseArgs({
  options: {
    /** The folder of the build, and the extension of its files: js or cjs. */
    build: { type: 'string', default: '' },
    kind: { type: 'string', default: 'js' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    seconds: { type: 'string', default: '100' },
    /** Makes only so many tries of each entry, and no combinations. */
    sample: { type: 'string' },
    /** Runs only the entries that take all ports of their host. */
    greedy: { type: 'boolean', default: false },
  },
})

const POINTS = ['get-port', 'jest', 'mocha', 'node-test', 'vitest-plugin', 'vitest-pool']
const portside = (await load('index')) as Portside
const points = await Promise.all(POINTS.map(async (name) => [name, await load(name).catch(() => undefined)]))
const all = [...entriesOf(portside), ...runnerEntries(Object.fromEntries(points) as Partial<EntryPoints>)]
const entries = all
  .filter(({ greedy = false }) => greedy === values.greedy)
  .filter(({ of, is }) => `${of} ${is}`.includes(values.only))

const oracle = new Oracle(process.cwd())
const end = performance.now() + Number(values.seconds) * 1000
for (const entry of entries) await fuzz(entry, end, sampled)
for (const [index, entry] of values.sample === undefined ? entries.entries() : []) {
  // Time that an entry does not use goes to the other entries.
  await fuzz(entry, performance.now() + (end - performance.now()) / (entries.length - index), combined)
}
process.exit()

type Tries = (entry: Entry, random: () => number) => Promise<Try[]> | AsyncIterable<Try>

async function sampled(entry: Entry, random: () => number): Promise<Try[]> {
  const tries = await systematic(entry, random)
  return values.sample === undefined ? tries : tries.slice(0, Number(values.sample))
}

/** Makes tries until the time is over. */
async function fuzz(listed: Entry, until: number, plan: Tries): Promise<void> {
  const { entry, close } = listed.kept ? await keep(listed) : { entry: listed, close: async () => {} }
  const complaints: string[] = []
  const count = { accepted: 0, refused: 0, stuck: 0 }
  // Modules that load on first use stay loaded.
  await attempt(entry, (args) => args)
  oracle.begin()
  if (!(await refusesUnknown(entry))) complaints.push('it accepts unknown options')
  const tries = await plan(entry, randomOf(Number(values.seed) + hash(entry.is)))
  let done = 0
  for await (const { name, change } of tries) {
    if (performance.now() > until) break
    const { outcome, complaints: own } = await attempt(entry, change)
    count[outcome]++
    done++
    for (const complaint of [...own, ...(await oracle.complaints())]) complaints.push(`${name}: ${complaint}`)
  }
  await close()
  const { accepted, refused } = count
  const left = Array.isArray(tries) ? tries.length - done : 0
  process.stdout.write(
    `${JSON.stringify({ is: entry.is, tries: done, left, accepted, refused, complaints } satisfies Result)}\n`,
  )
}

async function load(name: string): Promise<unknown> {
  const path = `${values.build}/${name}.${values.kind}`
  return values.kind === 'cjs' ? createRequire(import.meta.url)(path) : import(path)
}

/** The entry with a resource that is made once and kept. */
async function keep(entry: Entry): Promise<{ entry: Entry; close(): Promise<void> }> {
  const opened: AsyncDisposable[] = []
  const made = await entry.make(async (thing) => {
    opened.push((await thing) as AsyncDisposable)
    return thing
  })
  const close = async (): Promise<void> => {
    for (const thing of opened.reverse()) await thing[Symbol.asyncDispose]()
  }
  return { entry: { ...entry, make: () => made }, close }
}

function hash(text: string): number {
  let sum = 0
  for (const character of text) sum = (Math.imul(sum, 31) + character.charCodeAt(0)) | 0
  return sum
}
