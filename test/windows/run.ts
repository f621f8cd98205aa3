import { lock } from './cache.js'
import { installConsumer } from './consumer.js'
import { complaintsOf, reasonsOf } from './expected.js'
import { windowsFeatures } from './features.js'
import { RUNNERS, windowsLeaks } from './leaks.js'
import { NEEDS_NEW_WINE, NODES, windowsNode } from './node.js'
import { runOwnTests } from './own-tests.js'
import { standIns } from './stand-ins.js'
import { findWine, NEW, type Wine } from './wine.js'

// Runs the Windows build of Node under Wine: the list of features, and the leak check under node:test and Vitest. Compares the results with
// `expected.ts` and fails for each difference, also for a feature that works and was expected not to. With arguments, it runs the versions
// of Node that match one of them: `npm run windows -- 24`. `-- --tests drain ports` runs the tests of the sources there instead, those of
// the folders of `test/` that match, or `drain/force` for files.

const started = performance.now()
const args = process.argv.slice(2)
const words = args.filter((argument) => !argument.startsWith('--'))
const patterns = words.map((expression) => new RegExp(expression))
lock()
const wine = await findWine()
if (typeof wine === 'string') console.log(`skipped: ${wine}`)
else {
  console.log(`Wine ${wine.version}${wine.because === undefined ? '' : `, and not ${NEW}: ${wine.because}`}`)
  try {
    if (!(await (args.includes('--tests') ? runOwnTests(wine, words) : report(wine)))) process.exitCode = 1
  } finally {
    await wine.close()
  }
  console.log(`in ${seconds(started)}`)
}

/** Runs all and prints a table. Resolves to whether all is as expected. */
async function report(wine: Wine): Promise<boolean> {
  const programs = await standIns(wine)
  const withPrograms = typeof programs !== 'string'
  if (!withPrograms) console.log(`without netstat and tasklist: ${programs}`)
  const env = withPrograms ? programs : {}
  await installConsumer(wine)
  const isNew = Number.parseInt(wine.version, 10) >= NEW
  const chosen = NODES.filter((major) => patterns.length === 0 || patterns.some((one) => one.test(major)))
  if (chosen.length === 0) throw new Error(`no version of Node matches ${patterns.join(' or ')}`)
  const reasons = new Set<string>()
  let wrong = 0
  for (const major of chosen) {
    const name = `Node ${major}`.padEnd(8)
    if (!isNew && NEEDS_NEW_WINE.has(major)) {
      console.log(`${name} skipped: it needs Wine ${NEW}`)
      continue
    }
    const node = await windowsNode(wine, major)
    const begun = performance.now()
    const { results, output } = await windowsFeatures(wine, node, env)
    const circumstances = { major: Number(major), isNew, withPrograms }
    const complaints = complaintsOf(results, circumstances)
    if (results.length === 0) complaints.push(output.slice(-3000))
    const ok = results.filter(({ outcome }) => outcome === 'ok').length
    line(name, `features, ${ok} of ${results.length} ok`, begun, complaints)
    for (const reason of reasonsOf(results, circumstances)) reasons.add(reason)
    wrong += complaints.length
    for (const runner of RUNNERS) {
      if (runner === 'vitest' && !isNew) {
        console.log(`${name} vitest skipped: its tools need Wine ${NEW}`)
        continue
      }
      const begun = performance.now()
      const complaints = await windowsLeaks(wine, node, runner, env)
      line(name, `leaks under ${runner}`, begun, complaints)
      wrong += complaints.length
    }
  }
  console.log(`\nexpected not to work:\n${[...reasons].map((reason) => `  ${reason}`).join('\n')}`)
  console.log(wrong === 0 ? '\nall as expected' : `\n${wrong} results were not expected`)
  return wrong === 0
}

function line(name: string, what: string, since: number, complaints: readonly string[]): void {
  console.log(`${name} ${what.padEnd(28)} ${seconds(since).padStart(8)}  ${complaints.length > 0 ? 'FAILED' : 'ok'}`)
  for (const complaint of complaints) console.log(`  ${complaint}`)
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`
}
