import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { npm } from '../support/npm.js'
import { once } from './cache.js'
import { FOR_WINDOWS, windowsNode } from './node.js'
import { standIns } from './stand-ins.js'
import { NEW, type Wine } from './wine.js'

const ROOT = join(import.meta.dirname, '../..')
/** Vitest needs the newer Wine, and this Node runs there. */
const NODE = '22'
/** Seconds for the tests of a folder. */
const LIMIT = 600
/** Seconds for a test. One that waits for what Wine never does would use up the limit of its folder. */
const TEST_LIMIT = 20
/** Folders and files that the tests read. */
const SOURCES = ['src', 'test', 'fixtures', 'docs', 'package.json', 'package-lock.json', 'tsconfig.json']
const FILES = [
  'tsup.config.ts',
  'vitest.config.ts',
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'LICENSE',
  'biome.json',
]

/** A test, as `reporter.mjs` of test/support writes it. */
interface Result {
  readonly file: string
  readonly title: string
  readonly state: 'passed' | 'failed' | 'skipped'
  readonly said: string
}

/**
 * Runs the tests of the sources, folder by folder, and prints the counts of each. `chosen`: expressions for the names of folders, each
 * with a slash and the beginning of a file's name if it chooses files. Resolves to whether none has failed.
 */
export async function runOwnTests(wine: Wine, chosen: readonly string[]): Promise<boolean> {
  if (Number.parseInt(wine.version, 10) < NEW) {
    console.log(`skipped: the tools of Vitest need Wine ${NEW}`)
    return true
  }
  const programs = await standIns(wine)
  const env = typeof programs === 'string' ? {} : programs
  const folder = await copied(wine)
  const node = await windowsNode(wine, NODE)
  let allPassed = true
  console.log(`${'folder'.padEnd(24)} passed  failed  skipped`)
  const choices = chosen.map((words) => {
    const [expression = '', file] = words.split('/')
    return { expression: new RegExp(expression), file }
  })
  for (const name of testFolders()) {
    const matching = choices.filter(({ expression }) => expression.test(name))
    if (choices.length > 0 && matching.length === 0) continue
    const begun = performance.now()
    const files = matching.flatMap(({ file }) => file ?? [])
    const { results, ended } = await testsOf(wine, node, folder, { name, files }, env)
    const failed = results.filter(({ state }) => state === 'failed')
    const count = (state: Result['state']): string => String(results.filter((one) => one.state === state).length)
    const columns = [count('passed').padStart(6), count('failed').padStart(7), count('skipped').padStart(8)]
    const took = ((performance.now() - begun) / 1000).toFixed(0)
    console.log(`${name.padEnd(24)} ${columns.join(' ')} ${took.padStart(5)} s  ${ended}`)
    for (const { file, title, said } of failed) console.log(`  ${file}: ${title}\n    ${said}`)
    allPassed &&= failed.length === 0 && ended === ''
  }
  return allPassed
}

async function testsOf(
  wine: Wine,
  node: string,
  folder: string,
  { name, files }: { readonly name: string; readonly files: readonly string[] },
  env: Readonly<Record<string, string>>,
): Promise<{ results: readonly Result[]; ended: string }> {
  const written = join(wine.drive, folder, 'results.jsonl')
  rmSync(written, { force: true })
  const paths = files.length === 0 ? allOf(name) : files.map((file) => (name === 'test' ? file : `${name}/${file}`))
  const options = [
    ...['src', 'leaks'].map((project) => `--project=${project}`),
    ...['--maxWorkers=2', `--testTimeout=${TEST_LIMIT * 1000}`],
    ...['--reporter=default', '--reporter=./test/support/reporter.mjs'],
  ]
  const words = ['run', ...options, ...paths.map((path) => `test/${path}`)]
  const { code, output } = await wine.run(node, ['node_modules\\vitest\\vitest.mjs', ...words], {
    folder,
    seconds: LIMIT,
    env: { ...env, RESULTS: 'results.jsonl' },
  })
  const lines = existsSync(written) ? readFileSync(written, 'utf8').split('\n').filter(Boolean) : []
  const results = lines.map((line) => JSON.parse(line) as Result)
  if (code === undefined) return { results, ended: `the limit of ${LIMIT} s ended it` }
  const errors = /Unhandled Errors?|Error: No test files/.exec(output)?.[0]
  if (results.length === 0 || errors !== undefined) return { results, ended: output.slice(-3000) }
  return { results, ended: '' }
}

/** The paths in `test` of a folder's tests. The files beside the folders are those of `test` itself. */
function allOf(name: string): string[] {
  if (name !== 'test') return [`${name}/`]
  return readdirSync(join(ROOT, 'test')).filter((one) => one.endsWith('.test.ts'))
}

/** The folders of `test` with tests of the projects `src` and `leaks`, and `test` itself. */
function testFolders(): string[] {
  const isTest = (name: string): boolean => name.endsWith('.test.ts')
  const folders = readdirSync(join(ROOT, 'test'), { withFileTypes: true }).filter(
    (entry) =>
      entry.isDirectory() &&
      !['package', 'playwright', 'profiles'].includes(entry.name) &&
      readdirSync(join(ROOT, 'test', entry.name), { recursive: true, encoding: 'utf8' }).some(isTest),
  )
  return [...folders.map(({ name }) => name), 'test']
}

/** A copy of the sources on the drive, with the packages that npm installs on Windows. Returns its folder on the drive. */
async function copied({ drive }: Wine): Promise<string> {
  const lock = readFileSync(join(ROOT, 'package-lock.json'))
  const folder = join(drive, `tests-${createHash('sha256').update(lock).digest('hex').slice(0, 16)}`)
  await once(folder, 'the dependencies for Windows', async (made) => {
    for (const name of ['package.json', 'package-lock.json']) cpSync(join(ROOT, name), join(made, name))
    await npm(['ci', '--no-audit', '--no-fund', '--ignore-scripts', ...FOR_WINDOWS], made)
  })
  rmSync(join(folder, 'generated'), { recursive: true, force: true })
  for (const name of [...SOURCES, ...FILES]) {
    rmSync(join(folder, name), { recursive: true, force: true })
    cpSync(join(ROOT, name), join(folder, name), { recursive: true })
  }
  mkdirSync(join(folder, 'dist'), { recursive: true })
  return basename(folder)
}
