import { parseArgs } from 'node:util'
import { chaos } from './chaos.js'
import { collisions } from './collisions.js'
import { drains } from './drains.js'
import { killedHolder } from './killed-holder.js'
import { killedParent } from './killed-parent.js'
import { leftovers } from './leftovers.js'
import { manyKinds } from './many-kinds.js'
import { preferredPort } from './preferred-port.js'
import { refusals } from './refusals.js'
import { check, format, type Row } from './row.js'
import { strangers } from './strangers.js'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } } })
const seconds = Number(values.seconds)
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9))
if (!Number.isFinite(seconds) || !Number.isInteger(seed)) throw new Error('--seconds and --seed take a number')

/** Longest time for the whole run, in milliseconds. */
const LIMIT = 300_000 + 2000 * seconds

// Runs what a short test cannot show: many concurrent users, many times, in networks with few ports.
console.log(`Node ${process.version}, ${process.platform}, seed ${seed}\n`)
if (process.platform !== 'linux') {
  console.log('skipped: it listens on held ports, which only Linux allows, and reads /proc')
  process.exit()
}
console.log(format({ what: 'what', expected: 'expected', found: 'found', verdict: '' }))
const begun = performance.now()
const limit = setTimeout(() => {
  console.log(`\nnot done after ${LIMIT / 1000} s`)
  process.exit(1)
}, LIMIT)
// In parallel, for --seconds. --seed repeats the same choices.
await Promise.all([print('chaos', () => chaos(seconds, seed)), print('drains', () => drains(seconds, seed))])
/** A run shorter than a minute has fewer of the longest parts. */
const share = Math.min(1, seconds / 60)
await print('killedParent', () => killedParent(seed, share))
for (const stress of [collisions, killedHolder, manyKinds, refusals, leftovers, preferredPort]) {
  await print(stress.name, stress)
}
await print('strangers', () => strangers(seed, Math.ceil(200 * share)))
clearTimeout(limit)
console.log(`\n${Math.round((performance.now() - begun) / 1000)} s`)

async function print(name: string, stress: () => AsyncGenerator<Row>): Promise<void> {
  for await (const row of withFailure(name, stress)) {
    console.log(format(row))
    if (row.verdict === 'FAIL') process.exitCode = 1
  }
}

/** A part that fails becomes a row, and the others go on. */
async function* withFailure(name: string, stress: () => AsyncGenerator<Row>): AsyncGenerator<Row> {
  try {
    yield* stress()
  } catch (error) {
    console.error(error)
    yield check(name, 'a result', 'it failed, see above', false)
  }
}
