import { collisions } from './collisions.js'
import { killedHolder } from './killed-holder.js'
import { leftovers } from './leftovers.js'
import { preferredPort } from './preferred-port.js'
import { refusals } from './refusals.js'
import { check, format, type Row } from './row.js'

/** Longest that all of it may take, in milliseconds. */
const LIMIT = 240_000

// What no test of a few seconds can show: many users at once, many times, in networks with few ports.
console.log(`Node ${process.version}, ${process.platform}\n`)
if (process.platform !== 'linux') {
  console.log(
    'skipped: it listens on ports that are held, which Linux alone allows, and reads what the kernel has in /proc',
  )
  process.exit()
}
console.log(format({ what: 'what', expected: 'expected', found: 'found', verdict: '' }))
const begun = performance.now()
const limit = setTimeout(() => {
  console.log(`\nnot done after ${LIMIT / 1000} s`)
  process.exit(1)
}, LIMIT)
for (const stress of [collisions, killedHolder, refusals, leftovers, preferredPort]) {
  for await (const row of withFailure(stress)) {
    console.log(format(row))
    if (row.verdict === 'FAIL') process.exitCode = 1
  }
}
clearTimeout(limit)
console.log(`\n${Math.round((performance.now() - begun) / 1000)} s`)

/** A run that breaks off is a row, too, and the others go on. */
async function* withFailure(stress: () => AsyncGenerator<Row>): AsyncGenerator<Row> {
  try {
    yield* stress()
  } catch (error) {
    console.error(error)
    yield check(stress.name, 'a result', 'it broke off, see above', false)
  }
}
