import { chmodSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { exitOf } from '../runners/consumers/project.js'
import { asPostgres, PATH } from './machine.js'
import { type Recipe, shows, withoutLine } from './recipes.js'
import { checkSettings } from './settings.js'

export interface Result {
  readonly milliseconds: number
  /** How many reports of its page its copies have shown. */
  readonly reports: number
  readonly complaints: readonly string[]
}

type Results = Array<[recipe: string, result: Result]>

/** The output of `reporter.mjs` of the project. */
interface Run {
  files: Array<{ path: string; milliseconds: number; passed: boolean; said: string }>
  errors: string[]
}

/** Runs each recipe in the project, by its runner. */
export async function runRecipes(recipes: readonly Recipe[], project: string): Promise<ReadonlyMap<string, Result>> {
  const settings = recipes.filter(({ files }) => files.every(({ language }) => ['yaml', 'json'].includes(language)))
  const playwright = recipes.filter(({ files }) => files.some(({ path }) => path === 'playwright.config.js'))
  const postgres = recipes.filter(({ name }) => name === 'databases/postgresql')
  const others = recipes.filter((recipe) => ![...settings, ...playwright, ...postgres].includes(recipe))
  // PostgreSQL does not run as root, so its test may run as another user.
  mkdirSync(join(project, 'node_modules/.vite-temp'), { recursive: true })
  for (const path of ['..', '.', 'node_modules', 'node_modules/.vite-temp']) chmodSync(join(project, path), 0o777)
  const results = await Promise.all([
    runVitest(others, project, 'results.json', (command) => [...command]),
    runVitest(postgres, project, 'results-of-postgres.json', asPostgres),
    ...playwright.map((recipe) => timed(recipe, () => runPlaywright(project))),
    ...settings.map((recipe) =>
      timed(recipe, async () => (await Promise.all(recipe.files.map((file) => checkSettings(file, project)))).flat()),
    ),
  ])
  return new Map(results.flat())
}

/** The errors that the compiler reports for all of them. */
export async function typeErrors(project: string): Promise<string> {
  const { output } = await exitOf(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'], project)
  return output
}

async function runPlaywright(project: string): Promise<string[]> {
  const { code, output } = await exitOf(process.execPath, ['node_modules/@playwright/test/cli.js', 'test'], project)
  return code === 0 && / 1 passed/.test(output) ? [] : [output.slice(-5000)]
}

async function timed({ name }: Recipe, complaints: () => Promise<string[]>): Promise<Results> {
  const started = performance.now()
  const found = await complaints()
  return [[name, { milliseconds: performance.now() - started, reports: 0, complaints: found }]]
}

async function runVitest(
  recipes: readonly Recipe[],
  project: string,
  outputFile: string,
  as: (command: readonly string[]) => string[],
): Promise<Results> {
  if (recipes.length === 0) return []
  const paths = recipes.flatMap((recipe) => [
    testOf(recipe),
    ...recipe.claims.map((_, index) => withoutLine(recipe, index).path),
  ])
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', ...paths, '--reporter=./reporter.mjs']
  const [command = '', ...args] = as([process.execPath, ...vitest])
  const results = join(project, outputFile)
  const { output } = await exitOf(command, args, project, {
    PATH,
    HOME: project,
    // A copy without its teardown leaves files.
    TMPDIR: project,
    COOKBOOK_RESULTS: results,
  })
  let run: Run
  try {
    run = JSON.parse(readFileSync(results, 'utf8'))
  } catch {
    return recipes.map(({ name }) => [name, { milliseconds: 0, reports: 0, complaints: [output.slice(-5000)] }])
  }
  return recipes.map((recipe, index) => {
    // An error outside of all tests belongs to no recipe: the first one has it.
    const result = resultOf(recipe, run.files)
    return [recipe.name, index > 0 ? result : { ...result, complaints: [...run.errors, ...result.complaints] }]
  })
}

function resultOf(recipe: Recipe, files: Run['files']): Result {
  const fileOf = (path: string) => files.find((file) => file.path === path)
  const file = fileOf(testOf(recipe))
  const complaints = file?.passed ? [] : [file?.said || 'not each of its tests has passed']
  recipe.claims.forEach((claim, index) => {
    const said = fileOf(withoutLine(recipe, index).path)?.said.replaceAll(`-${index}.without.ts`, '.test.ts')
    if (said !== undefined && shows(said, claim)) return
    complaints.push(`Without ${claim.without} it does not say\n${claim.report}\nbut\n${said?.slice(0, 5000)}`)
  })
  return { milliseconds: file?.milliseconds ?? 0, reports: recipe.claims.length, complaints }
}

function testOf({ name, files }: Recipe): string {
  const test = files.find(({ path }) => path.endsWith('.test.ts'))
  if (!test) throw new Error(`${name} has no test`)
  return test.path
}
