import { mkdtempSync, rmSync } from 'node:fs'
import { setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { packInto, project } from '../runners/consumers/project.js'
import { missingFor } from './machine.js'
import { readRecipes, withoutLine, writeRecipe } from './recipes.js'
import { type Result, runRecipes, typeErrors } from './results.js'

// The recipes of docs/cookbook as users have them. Each is copied into a project with the packed portside, runs under the leak
// check, and is type-checked. Where a page shows the report of a leak, a copy without that line has to fail with this report.
// With arguments only recipes whose names match one of them: `npm run cookbook -- redis`. `-- --all` has large installs, too.

/** Arguments of `npm install` for recipes that only `--all` runs. */
const LARGE = ['next@^16.4.6', 'react@^19.0.0', 'react-dom@^19.0.0']

const args = process.argv.slice(2)
const all = args.includes('--all')
const wanted = args.filter((argument) => !argument.startsWith('--')).map((expression) => new RegExp(expression))
// Beside others on this machine; what it starts has it, too.
setPriority(10)
const started = performance.now()
const folder = mkdtempSync(join(tmpdir(), 'portside-cookbook-'))
try {
  await run()
} finally {
  // A program of a copy without its teardown may still be exiting.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}

async function run(): Promise<void> {
  const recipes = readRecipes().filter(
    ({ name }) => wanted.length === 0 || wanted.some((expression) => expression.test(name)),
  )
  if (recipes.length === 0) throw new Error(`no recipe matches ${wanted.join(' or ')}`)
  const skipped = new Map<string, string>()
  for (const { name } of recipes) {
    const reason = await missingFor(name, all)
    if (reason !== undefined) skipped.set(name, reason)
  }

  const options = ['--ignore-scripts', '--prefer-offline', ...(all ? LARGE : [])]
  const installed = await project(join(folder, 'project'), 'cookbook', [...options, await packInto(folder)])()
  console.log(`installed in ${seconds(performance.now() - started)}\n`)
  const cooked = recipes.filter(({ name }) => !skipped.has(name))
  for (const recipe of recipes) writeRecipe(recipe, installed.folder)
  for (const recipe of cooked) {
    for (const index of recipe.claims.keys()) writeRecipe({ files: [withoutLine(recipe, index)] }, installed.folder)
  }

  const [results, errors] = await Promise.all([runRecipes(cooked, installed.folder), typeErrors(installed.folder)])
  const failed: string[] = errors === '' ? [] : [`== types\n${errors}`]
  for (const { name } of recipes) {
    const { time = '', verdict, complaints } = line(results.get(name), skipped.get(name))
    console.log(`${name.padEnd(39)} ${time.padStart(7)}  ${verdict}`)
    if (complaints.length > 0) failed.push([`== ${name}`, ...complaints].join('\n'))
  }
  console.log(`${'types of all of them'.padEnd(47)}  ${errors === '' ? 'ok' : 'FAILED'}`)
  for (const output of failed) console.log(`\n${output}`)
  console.log(
    `\n${cooked.length} recipes have run, ${skipped.size} are skipped; in ${seconds(performance.now() - started)}`,
  )
  if (failed.length > 0) process.exitCode = 1
}

function line(result: Result | undefined, reason: string | undefined) {
  if (reason !== undefined) return { verdict: `skipped: ${reason}`, complaints: [] }
  const { milliseconds, reports, complaints } = result ?? { milliseconds: 0, reports: 0, complaints: ['did not run'] }
  const verdict = complaints.length > 0 ? 'FAILED' : reports > 0 ? 'ok, and its report' : 'ok'
  return { time: seconds(milliseconds), verdict, complaints }
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}
