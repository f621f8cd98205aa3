import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'

/** The expected results of a consumer's test file. */
export interface Expected {
  readonly passed: readonly string[]
  /** Tests that must fail, and what the runner must print for each. */
  readonly failed: Readonly<Record<string, ReadonlyArray<string | RegExp>>>
}

/** `matchers.test` of all consumers. */
export const MATCHERS: Expected = {
  passed: [
    'errors match by what the kernel said, and by endpoint',
    'after rejects, with and without not',
    'inside of toEqual, with and without not',
    'servers and pools, waiting ones included',
  ],
  failed: {
    'fails: a reset is no refusal': ['Expected a refused connection (ECONNREFUSED).\n', /^ {2}got {8}.*ECONNRESET/m],
    'fails: a refusal somewhere else': [
      /Expected a refused connection \(ECONNREFUSED\) at port \d+\.\n/,
      /^ {2}got {8}.*:\d+/m,
    ],
    'fails: not a refusal, and it is one': ['Expected an error that is not a refused connection (ECONNREFUSED).\n'],
    'fails: a refusal inside of toEqual': ['toBeConnectionRefused<'],
    'fails: a server that listens is to refuse': [
      /Expected [\d.:[\]]+ to refuse connections\.\n/,
      /^ {2}got {8}.* accepted/m,
    ],
  },
}

/** The same without the matchers. Otherwise a suite that checks nothing would look right. */
export const WITHOUT_MATCHERS: Expected = {
  passed: [],
  failed: Object.fromEntries(
    [...MATCHERS.passed, ...Object.keys(MATCHERS.failed)].map((title) => [
      title,
      [/\w+ is not a function|Invalid Chai property/],
    ]),
  ),
}

/** `net.test` of the consumer that has Vitest. */
export const VITEST_NET: Expected = {
  passed: [
    'is there for a test',
    'is open in afterEach, and closed after it',
    'share the scope of their test',
    'share it with that test only',
    'have a scope each',
    'keep it when another one ends',
    'has a scope of its own',
    'are none',
    'are those of extend()',
    'has followed a test that failed',
    'is made where none is asked for',
  ],
  failed: {
    'fails since Vitest 4.1: invalid options of extend()': [/Invalid `grace`: expected .*, got -1\./],
    'fails: invalid options of a describe': [/Invalid `grace`: expected .*, got -1\./],
    'fails: it fails its test': ['the undo failed'],
    'fails: it hides nothing': ['the test failed', 'the undo failed'],
    'fails: it follows a test that failed': ['the test failed'],
  },
}

/** The same before Vitest 4.1, where a fixture does not get the value that another `extend()` gives to a fixture it uses. */
export const VITEST_4_0_NET: Expected = moved(VITEST_NET, 'fails since Vitest 4.1: invalid options of extend()')

function moved({ passed, failed }: Expected, title: string): Expected {
  const { [title]: _, ...rest } = failed
  return { passed: [...passed, title], failed: rest }
}

/** `net.test` of the consumer that has Jest, and its other files that use `useNet()`. */
export const JEST_NET: Readonly<Record<string, Expected>> = {
  net: {
    passed: [
      'is there for a test',
      'is closed after it, before the afterEach hooks outside',
      'gives its methods away one by one',
      'there is no scope',
      'are checked at once',
      'are of that scope only',
      'has followed a test that failed',
    ],
    failed: {
      'fails: it fails its test': ['the undo failed'],
      'fails: it hides nothing': ['the test failed', 'the undo failed'],
    },
  },
  concurrent: {
    passed: ['a test has a scope'],
    failed: {
      'fails: a concurrent test has none, and not that of another one': [
        /Cannot call listenTcp\(\) of useNet\(\).*\n(?: {2}.*\n)* {2}cause {6}.*test\.concurrent.*\n {2}fix {8}.*call createScope\(\)/,
      ],
    },
  },
  retries: { passed: ['each retry has a scope of its own'], failed: {} },
}

/** The report of a runner, in the form of Jest, which Vitest writes too. */
interface Report {
  testResults: Array<{
    name: string
    message?: string
    assertionResults: Array<{ title: string; status: string; failureMessages?: string[] | null }>
  }>
}

/** The faults of a report; `expected` has the files by name. */
export function complaintsOf(report: string, expected: Readonly<Record<string, Expected>>): string[] {
  if (!existsSync(report)) return ['there is no report']
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report
  const files = testResults.map(({ name }) => basename(name)).sort()
  const wanted = Object.keys(expected).sort()
  if (files.join() !== wanted.join()) return [`ran ${files.join(', ') || 'nothing'} instead of ${wanted.join(', ')}`]
  return testResults.flatMap(({ name, message, assertionResults }) => {
    const file = basename(name)
    if (assertionResults.length === 0) return [`${file} has no tests: ${message}`]
    return complaintsOfFile(assertionResults, expected[file]!).map((complaint) => `${file}: ${complaint}`)
  })
}

/** The faults in the tests of one file. */
export function complaintsOfFile(
  results: Report['testResults'][0]['assertionResults'],
  { passed, failed }: Expected,
): string[] {
  const complaints: string[] = []
  const known = [...passed, ...Object.keys(failed)]
  for (const title of known) {
    if (results.filter((result) => result.title === title).length !== 1) complaints.push(`'${title}' did not run once`)
  }
  for (const { title, status, failureMessages } of results) {
    const said = (failureMessages ?? []).join('\n')
    const wanted = status === 'failed' ? failed[title] : passed.includes(title) && status === 'passed' ? [] : undefined
    if (wanted === undefined) complaints.push(`'${title}' has ${status} ${said}`)
    for (const part of wanted ?? []) {
      if (typeof part === 'string' ? !said.includes(part) : !part.test(said))
        complaints.push(`'${title}' was to fail with ${part}, and failed with ${said}`)
    }
  }
  return complaints
}
