import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { namespaceSupport, spawnInNamespace } from '../../src/index.js'
import type { Result } from './program.js'

// Calls every public function with nonsense values. Runs in private networks, so no value can reach another host.

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    only: { type: 'string', default: '' },
    seconds: { type: 'string', default: '300' },
  },
})
const { seed, only } = values
const seconds = Number(values.seconds)
if (!/^\d+$/.test(seed) || !(seconds > 0)) {
  console.error('usage: npm run fuzz -- [--seed NUMBER] [--only NAME] [--seconds NUMBER]')
  process.exit(2)
}
console.log(`Node ${process.version}, ${process.platform}, --seed ${seed}\n`)
const support = await namespaceSupport()
if (!support.supported) {
  console.log(`skipped: the fuzzer needs private networks, and ${support.reason}`)
  process.exit()
}

const NOTHING: Result = { is: 'the program', tries: 0, left: 0, accepted: 0, refused: 0, complaints: [] }
const WIDTHS = [46, 5, 8, 9, 9, 11] as const
const row = (...cells: readonly unknown[]): string =>
  cells
    .map((cell, index) => (index === 0 ? String(cell).padEnd(WIDTHS[0]) : String(cell).padStart(WIDTHS[index] ?? 0)))
    .join(' ')

const begun = performance.now()
const results = (await Promise.all(['js', 'cjs'].map(fuzz))).flat()
const sum = (count: (result: Result) => number): number => results.reduce((total, result) => total + count(result), 0)
const complaints = sum((result) => result.complaints.length)
console.log(row('entry', 'build', 'tries', 'accepted', 'refused', 'complaints'))
for (const { is, kind, tries, accepted, refused, complaints: own } of results) {
  console.log(row(is, kind, tries, accepted, refused, own.length))
  for (const complaint of counted(own)) console.log(`    ${complaint}`)
}
const time = `${results.length} entries, ${Math.round((performance.now() - begun) / 1000)} s`
console.log(
  row(
    time,
    '',
    sum(({ tries }) => tries),
    sum(({ accepted }) => accepted),
    sum(({ refused }) => refused),
    complaints,
  ),
)
const left = results.filter((result) => result.left > 0)
if (left.length > 0)
  console.log(`\nThe time was over before every value was tried at every place of ${left.length} entries.`)
if (results.length === 0) console.log(`\nNo entry has ${only} in its name.`)
if (complaints > 0) console.log(`\nRepeat with: npm run fuzz -- --seed ${seed} --only NAME`)
process.exitCode = complaints > 0 || results.length === 0 ? 1 : 0

/** Fuzzes one build. Entries that take all ports of their host run last, on a host with few ports. */
async function fuzz(kind: string): Promise<OfBuild[]> {
  return [...(await run(kind, seconds, [])), ...(await run(kind, Math.min(10, seconds), ['--greedy']))]
}

async function run(kind: string, limit: number, more: readonly string[]): Promise<OfBuild[]> {
  const folder = mkdtempSync(join(tmpdir(), 'portside-fuzz-'))
  const [program, build] = ['program.ts', '../../dist'].map((path) => fileURLToPath(new URL(path, import.meta.url)))
  const args = ['--build', build as string, '--kind', kind, '--seed', seed, '--only', only, '--seconds', String(limit)]
  const child = await spawnInNamespace(
    more.length > 0 ? { ephemeralPorts: 32 } : {},
    process.execPath,
    ['--import', import.meta.resolve('tsx'), program as string, ...args, ...more],
    { root: true, cwd: folder, env: { ...process.env, TMPDIR: folder }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const results = new Map<string, OfBuild>()
  let last = 'nothing'
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000)
  })
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    // An entry loads the test runner of Node, which may also write here.
    if (!line.startsWith('{"is"')) continue
    const result = JSON.parse(line) as Result
    const { is } = result
    last = is
    results.set(is, added({ ...result, kind }, results.get(is)))
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  rmSync(folder, { recursive: true, force: true })
  if (child.exitCode !== 0) {
    const complaint = `the program ended with ${child.exitCode ?? child.signalCode} after ${last}\n${said}`
    results.set('', { ...NOTHING, kind, complaints: [complaint] })
  }
  return [...results.values()]
}

type OfBuild = Result & { readonly kind: string }

/** Adds the results of both rounds of an entry. */
function added(one: OfBuild, { tries, left, accepted, refused, complaints }: Result = NOTHING): OfBuild {
  return {
    ...one,
    tries: one.tries + tries,
    left: one.left + left,
    accepted: one.accepted + accepted,
    refused: one.refused + refused,
    complaints: [...complaints, ...one.complaints],
  }
}

function counted(complaints: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const complaint of complaints) counts.set(complaint, (counts.get(complaint) ?? 0) + 1)
  const lines = [...counts].map(
    ([complaint, count]) => `${count > 1 ? `${count} times: ` : ''}${complaint.slice(0, 400)}`,
  )
  return lines.length > 20 ? [...lines.slice(0, 20), `and ${lines.length - 20} others`] : lines
}
