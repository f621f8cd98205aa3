import Module from 'node:module'

/** A test runner that portside has an entry for. */
export type RunnerName = 'Vitest' | 'Jest' | 'Mocha' | 'Playwright' | 'node:test' | 'bun test' | 'deno test'

/**
 * The test runner that runs the code of this realm; undefined if unknown. The variables that runners set are not enough: a program that a
 * test starts has them too.
 */
export function thisRunner(): RunnerName | undefined {
  if ('__vitest_worker__' in globalThis) return 'Vitest'
  if (isJestRealm()) return 'Jest'
  if (isMocha()) return 'Mocha'
  if (isPlaywrightProgram()) return 'Playwright'
  if (isDenoTest()) return 'deno test'
  return isNodeTest() ? 'node:test' : undefined
}

/** Jest keeps its promise class in each realm that it runs test files in. */
export const isJestRealm = (): boolean => Symbol.for('jest-native-promise') in globalThis

/** The test runner whose command line or worker this process is; undefined for every other program. */
export function runnerProgram(): RunnerName | undefined {
  if (isMochaProgram()) return 'Mocha'
  if (isJestProgram()) return 'Jest'
  if (isPlaywrightProgram()) return 'Playwright'
  return VITEST_PROGRAM.test(process.argv[1] ?? '') ? 'Vitest' : undefined
}

/** `node_modules/.bin/vitest`, `vitest/vitest.mjs`, `vitest/dist/workers/forks.js`. */
const VITEST_PROGRAM = /[/\\]vitest(?:\.mjs|\.cmd)?$|[/\\]vitest[/\\]dist[/\\]/

/** Jest's command line or one of its workers, outside of the realms of test files. */
export const isJestProgram = (): boolean => JEST_PROGRAM.test(process.argv[1] ?? '')

/** `node_modules/.bin/jest`, `jest/bin/jest.js`, `jest-cli/bin/jest.js`, `jest-worker/build/workers/processChild.js`. */
const JEST_PROGRAM = /[/\\]jest(?:\.c?js|\.cmd)?$|[/\\]jest-worker[/\\]/

const isMocha = (): boolean => isMochaProgram() || mochaClasses().length > 0

/** Mocha's command line or one of its workers. */
export const isMochaProgram = (): boolean => MOCHA_PROGRAM.test(process.argv[1] ?? '')

/** `node_modules/.bin/mocha`, `mocha/bin/_mocha`, `mocha/lib/nodejs/worker.js`. */
const MOCHA_PROGRAM = /[/\\]_?mocha(?:\.c?js|\.cmd)?$|[/\\]mocha[/\\](?:bin|lib)[/\\]/

/** The class of each Mocha that was loaded by `require`, as its command line does. */
export function mochaClasses(): object[] {
  const { _cache: cache = {} } = Module as unknown as { _cache?: Record<string, { exports?: unknown } | undefined> }
  return Object.keys(cache).flatMap((file) => {
    if (!MOCHA_CLASS.test(file)) return []
    const { exports } = cache[file] ?? {}
    return typeof exports === 'function' ? [exports] : []
  })
}

const MOCHA_CLASS = /[/\\]mocha[/\\]lib[/\\]mocha\.c?js$/

/** The command line of Playwright Test, a process that runs tests, or one that loads test files. */
const isPlaywrightProgram = (): boolean => PLAYWRIGHT_PROGRAM.test(process.argv[1] ?? '')

/**
 * `node_modules/.bin/playwright`, `@playwright/test/cli.js`, `playwright/cli.js`, `playwright/lib/worker/workerProcessEntry.js`; in
 * Playwright 1.50 `playwright/lib/common/process.js`.
 */
const PLAYWRIGHT_PROGRAM =
  /[/\\]\.?bin[/\\]playwright(?:\.cmd)?$|[/\\]node_modules[/\\](?:@playwright[/\\]test|playwright)[/\\](?:cli\.js$|lib[/\\])/

/** Whether Playwright Test has started this process to run tests. Such a process evaluates the configuration again. */
export const isPlaywrightWorker = (): boolean =>
  process.env.TEST_WORKER_INDEX !== undefined &&
  /[/\\]node_modules[/\\]playwright[/\\]lib[/\\]/.test(process.argv[1] ?? '')

/** The part of Deno's test API that is used here (https://docs.deno.com/runtime/test/#test-hooks). */
export interface DenoTest {
  beforeEach?(hook: () => void): void
  afterEach?(hook: () => Promise<void>): void
  afterAll?(hook: () => Promise<void>): void
}

/** `Deno.test`; undefined in another runtime. */
export const denoTest = (): DenoTest | undefined => (globalThis as { Deno?: { test?: DenoTest } }).Deno?.test

/** Whether `deno test` runs this file. Elsewhere Deno has the same functions, but they do nothing and check no argument. */
export function isDenoTest(test = denoTest()): boolean {
  if (typeof test?.beforeEach !== 'function') return false
  try {
    test.beforeEach(undefined as never)
    return false
  } catch {
    return true
  }
}

const isNodeTest = (): boolean => process.env.NODE_TEST_CONTEXT !== undefined || process.execArgv.includes('--test')
