import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'

/** The results of a run: each test by its title, and the messages about files as a whole. */
export interface Outcome {
  readonly tests: ReadonlyArray<{ readonly title: string; readonly failed: boolean; readonly said: string }>
  readonly files: readonly string[]
}

/** The expected numbers. */
export interface Tally {
  /** Tests that leak, and fail for it. */
  readonly leaking: number
  /** Tests that do not leak, and pass. */
  readonly clean: number
  /** Files that leave something open outside of their tests. */
  readonly files: number
  /** Hooks that leak outside of a test, and are named in the report of their file. */
  readonly hooks: number
}

/** The results, and what is wrong with them. The title of a test says its expected result. */
export function tallyOf({ tests, files }: Outcome): { found: Tally; complaints: string[] } {
  const complaints: string[] = []
  let [leaking, clean] = [0, 0]
  for (const { title, failed, said } of tests) {
    const told = said.includes(LEAK) || said.includes('ERR_PORTSIDE_LEAK')
    const blamed = hooksIn(said).every((hook) => hook === hookOf(title))
    if (title.startsWith('leaks') && failed && told && saysBoth(title, said) && blamed) leaking++
    else if (title.startsWith('clean') && !failed) clean++
    else complaints.push(`'${title}' has ${failed ? 'failed' : 'passed'}: ${said}`)
  }
  const hooks = new Set(files.flatMap(hooksIn))
  const unexpected = files.filter((said) => !said.includes(FILE_LEAK) && hooksIn(said).length === 0)
  for (const said of unexpected) complaints.push(`of a file: ${said}`)
  for (const hook of hooks) if (/Each|test/.test(hook)) complaints.push(`of a file, and it is a test's: ${hook}`)
  return { found: { leaking, clean, files: files.length - unexpected.length, hooks: hooks.size }, complaints }
}

/** The functions of hooks.cjs that a report names. */
const hooksIn = (said: string): string[] => said.match(/LEAK_\w+_/g) ?? []

/** `leaks by afterEach, done` tests sockets of that hook. In other tests, no hook leaks. */
const hookOf = (title: string): string => `LEAK_${title.replace(/^leaks by /, '').replace(/\W+/g, '_')}_`

/** A failure of the test does not hide its leak, and the leak does not hide the failure. */
const saysBoth = (title: string, said: string): boolean =>
  (!title.startsWith('leaks by') || hooksIn(said).length > 0) &&
  (!title.includes('and fails') || said.includes('its own error')) &&
  (!title.includes('times out') || /time/i.test(said))

const LEAK = "' left "
/** `file.test`: four listeners, and both ends of a connection. */
const FILE_LEAK = 'portside: 6 sockets left open'

/** The report of Jest. Vitest writes the same form. */
export function readJestReport(path: string): Outcome {
  if (!existsSync(path)) return NONE
  const { testResults } = JSON.parse(readFileSync(path, 'utf8')) as JestReport
  return {
    tests: testResults.flatMap(({ assertionResults }) =>
      assertionResults.map(({ title, status, failureMessages }) => ({
        title,
        failed: status !== 'passed',
        said: (failureMessages ?? []).join('\n'),
      })),
    ),
    files: testResults
      .filter(
        ({ name, message }) => message && (/^(file|hooks)\./.test(basename(name)) || !/● (?!Test suite)/.test(message)),
      )
      .map(({ message }) => ofSuite(message as string)),
  }
}

/** Without the failures of tests, which Jest repeats in the message of the file. */
function ofSuite(message: string): string {
  const sections = message.split(/^(?= *● )/m)
  return sections.filter((section) => !/^ *● (?!Test suite)/.test(section)).join('')
}

interface JestReport {
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly message?: string
    readonly assertionResults: ReadonlyArray<{
      readonly title: string
      readonly status: string
      readonly failureMessages?: readonly string[] | null
    }>
  }>
}

/** The report of Mocha, in which a test that fails after its end has also passed. */
export function readMochaReport(text: string): Outcome {
  const begin = text.indexOf('{\n  "stats"')
  if (begin === -1) return NONE
  // The standard error output of the run follows it.
  const { passes, failures } = JSON.parse(text.slice(begin, text.indexOf('\n}', begin) + 2)) as MochaReport
  const ofHooks = failures.filter(({ title }) => title.includes(' hook'))
  const failed = failures.filter((failure) => !ofHooks.includes(failure))
  const said = new Map<string, string>()
  // If a test has several errors, this report has the first, and only the fields of the others.
  for (const { fullTitle, err } of failed) {
    const errors = `${err.message}\n${JSON.stringify(err.multiple ?? [])}\n`
    said.set(fullTitle, (said.get(fullTitle) ?? '') + errors)
  }
  const tests = new Map([...passes, ...failed].map(({ fullTitle, title }) => [fullTitle, title]))
  return {
    tests: [...tests].map(([fullTitle, title]) => ({
      title,
      failed: said.has(fullTitle),
      said: said.get(fullTitle) ?? '',
    })),
    files: ofHooks.map(({ err }) => err.message ?? ''),
  }
}

interface MochaReport {
  readonly passes: readonly MochaTest[]
  readonly failures: readonly MochaTest[]
}
interface MochaTest {
  readonly title: string
  readonly fullTitle: string
  readonly err: { readonly message?: string; readonly multiple?: unknown }
}

/** The output of node-reporter.mjs for node:test: an event a line. */
export function readNodeEvents(text: string): Outcome {
  const tests: Array<{ title: string; failed: boolean; said: string }> = []
  const files: string[] = []
  for (const line of text.split('\n').filter((line) => line.startsWith('{"type"'))) {
    const { type, name, message, suite } = JSON.parse(line) as NodeEvent
    const last = tests.at(-1)
    if (type === 'test:diagnostic' && last?.failed) last.said += `${message}\n`
    if (type !== 'test:pass' && type !== 'test:fail') continue
    if (/[/\\].*\.test\.mjs$/.test(name)) {
      if (type === 'test:fail' && message.startsWith('portside: ')) files.push(message)
    } else if (!suite && name !== 'subtests') {
      tests.push({ title: name, failed: type === 'test:fail', said: `${message}\n` })
    }
  }
  return { tests, files }
}

interface NodeEvent {
  readonly type: string
  readonly name: string
  readonly message: string
  readonly suite: boolean
}

/** The report of Playwright. The last attempt of a retry counts. A test that is expected to fail counts as failed. */
export function readPlaywrightReport(path: string): Outcome {
  if (!existsSync(path)) return NONE
  const { suites, errors } = JSON.parse(readFileSync(path, 'utf8')) as PlaywrightReport
  const tests = (suites: readonly PlaywrightSuite[]): Array<Outcome['tests'][number]> =>
    suites.flatMap(({ suites: inner = [], specs }) => [
      ...specs.flatMap(({ title, tests: all }) =>
        all.map(({ results }) => {
          const { status, errors = [] } = results.at(-1) ?? { status: 'skipped' }
          const said = errors.map(({ message }) => message).join('\n')
          return { title, failed: status !== 'passed' && status !== 'skipped', said }
        }),
      ),
      ...tests(inner),
    ])
  return { tests: tests(suites), files: errors.map(({ message }) => message) }
}

interface PlaywrightReport {
  readonly suites: readonly PlaywrightSuite[]
  readonly errors: ReadonlyArray<{ readonly message: string }>
}

interface PlaywrightSuite {
  readonly suites?: readonly PlaywrightSuite[]
  readonly specs: ReadonlyArray<{
    readonly title: string
    readonly tests: ReadonlyArray<{
      readonly results: ReadonlyArray<{
        readonly status: string
        readonly errors?: ReadonlyArray<{ readonly message: string }>
      }>
    }>
  }>
}

const NONE: Outcome = { tests: [], files: [] }
