import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { limited } from '../consumers/limited.js'
import { packInto } from '../consumers/project.js'
import { type LeakCombination, leakCombinations } from './combinations.js'
import { type Tally, tallyOf } from './outcome.js'

// Runs the leak check with each version of each runner on each Node, in tests that leak and tests that do not. With arguments, it runs only
// combinations whose names match all of them: `npm run compat -- 'jest 30' 'Node 2[06]'`.

const folder = mkdtempSync(join(tmpdir(), 'portside-compat-'))
try {
  const tarball = await packInto(folder)
  const wanted = process.argv.slice(2).map((expression) => new RegExp(expression))
  const combinations = leakCombinations({ folder, tarball }).filter(({ name }) =>
    wanted.every((expression) => expression.test(name)),
  )
  if (!(await report(combinations))) process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** Runs all of them, prints a line for each in order, and returns whether all are right. */
async function report(combinations: readonly LeakCombination[]): Promise<boolean> {
  const slot = limited(availableParallelism())
  const running = combinations.map((combination) => ({ combination, checked: slot(() => checked(combination)) }))
  const failed: string[] = []
  console.log(`${'expected/found'.padEnd(34)} leaking tests   clean tests   files  hooks`)
  for (const { combination, checked } of running) {
    const { found, complaints, seconds } = await checked
    const { name, expected } = combination
    const columns = [
      column(expected, found, 'leaking').padEnd(15),
      column(expected, found, 'clean').padEnd(13),
      column(expected, found, 'files').padEnd(6),
      column(expected, found, 'hooks').padEnd(6),
      `${seconds.toFixed(1).padStart(5)} s`,
    ]
    console.log(`${name.padEnd(34)} ${columns.join(' ')} ${complaints.length > 0 ? 'FAILED' : 'ok'}`)
    if (complaints.length > 0) failed.push([`== ${name}`, ...complaints].join('\n'))
  }
  for (const output of failed) console.log(`\n${output}`)
  console.log(`\n${combinations.length - failed.length} combinations are ok, ${failed.length} FAILED`)
  return failed.length === 0 && combinations.length > 0
}

function column(expected: Tally, found: Tally, name: keyof Tally): string {
  return `${expected[name]}/${found[name]}`
}

async function checked({
  expected,
  runs,
  run,
}: LeakCombination): Promise<{ found: Tally; complaints: string[]; seconds: number }> {
  const started = performance.now()
  const nothing = { tests: [], files: [] }
  const { outcome, output } = await run().catch((error) => ({
    outcome: nothing,
    output: `${error?.stderr ?? ''}${error?.stack}`,
  }))
  const { found, complaints } = tallyOf(outcome)
  const said = output.match(/portside: leak check on, fail; kernel (?:once a file|never)/g)?.length ?? 0
  if (said !== runs) complaints.push(`${runs} runs have said ${said} times that the check is on`)
  const wrong = Object.keys(expected).some((name) => expected[name as keyof Tally] !== found[name as keyof Tally])
  if (wrong || complaints.length > 0) complaints.push(output.slice(-5000))
  return { found, complaints, seconds: (performance.now() - started) / 1000 }
}
