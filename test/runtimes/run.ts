import { RUNTIMES } from './binaries.js'
import { EXCEPTIONS, type Exception } from './expected.js'
import { type FeatureResult, runFeatures } from './feature.js'
import { writePage } from './page.js'
import { featuresThatNeed } from './permission.js'

// Runs the list of features under each runtime and compares the results with `expected.ts`. With arguments, it runs the runtimes whose
// names match one of them: `npm run runtimes -- Bun 'Node 2[46]'`. `-- --page` writes the table into `docs/platforms.md`. Fails for each
// result that was not expected, also for a feature that works and was expected not to. `-- --permission` lists the features that need
// each flag of the permission model of Node instead.

const args = process.argv.slice(2)
const wanted = args.filter((argument) => !argument.startsWith('--')).map((expression) => new RegExp(expression))
const runtimes = RUNTIMES.filter(({ name }) => wanted.length === 0 || wanted.some((each) => each.test(name)))
if (runtimes.length === 0) throw new Error(`no runtime matches ${wanted.join(' or ')}`)

if (args.includes('--permission')) {
  const newest = RUNTIMES.findLast(({ name }) => name.startsWith('Node')) as (typeof RUNTIMES)[number]
  const [program] = await newest.command()
  for (const [flag, features] of await featuresThatNeed(program)) {
    console.log(`${flag}: ${features.length} features`)
    for (const feature of features) console.log(`  ${feature}`)
  }
  process.exit()
}

const table = new Map<string, FeatureResult[]>()
let wrong = 0
for (const { name, command } of runtimes) {
  const started = performance.now()
  const { results, output } = await runFeatures(await command())
  table.set(name, results)
  const ok = results.filter(({ outcome }) => outcome === 'ok').length
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${name.padEnd(12)} ${String(ok).padStart(3)} of ${results.length} ok  ${seconds.padStart(6)} s`)
  const complaints = complaintsOf(name, results)
  for (const complaint of complaints) console.log(`  ${complaint}`)
  if (results.length === 0) console.log(output.slice(-3000))
  wrong += complaints.length + Number(results.length === 0)
}
for (const line of exceptionLines()) console.log(line)
console.log(wrong === 0 ? '\nall as expected' : `\n${wrong} results were not expected`)
if (wrong > 0) process.exitCode = 1
else if (args.includes('--page')) writePage(table)

function complaintsOf(runtime: string, results: readonly FeatureResult[]): string[] {
  return results.flatMap(({ area, name, outcome, detail }) => {
    const expected = exceptionFor(runtime, `${area}: ${name}`)?.outcome ?? 'ok'
    return outcome === expected ? [] : [`${area}: ${name}: expected ${expected}, got ${outcome} ${detail}`]
  })
}

function exceptionFor(runtime: string, feature: string): Exception | undefined {
  return EXCEPTIONS.find(
    (exception) =>
      exception.feature === feature &&
      exception.runtimes.some((beginning) => runtime.startsWith(beginning)) &&
      (exception.when?.() ?? true),
  )
}

function exceptionLines(): string[] {
  const lines = [...table].flatMap(([runtime, results]) =>
    results.flatMap(({ area, name, outcome }) => {
      const exception = exceptionFor(runtime, `${area}: ${name}`)
      return exception && outcome !== 'ok' ? [`  ${runtime.padEnd(12)} ${area}: ${name}: ${exception.reason}`] : []
    }),
  )
  return lines.length === 0 ? [] : ['\nexpected not to work:', ...lines]
}
