import {
  type PlaywrightTestArgs,
  type PlaywrightTestOptions,
  type PlaywrightWorkerArgs,
  type PlaywrightWorkerOptions,
  test as playwrightTest,
  type TestType,
} from '@playwright/test'
import type { LeakOptions } from '../leaks/leak-check.js'
import { createScope, type NetScope, type ScopeOptions } from '../scope.js'
import { type PlaywrightLeakOptions, playwrightCheck } from './playwright-leaks.js'
import { checkPlace } from './right-place.js'
import { isPlaywrightWorker } from './this-runner.js'

checkPlace('playwright', 'Playwright')

/**
 * What `test` has beside the fixtures of Playwright.
 * @experimental
 */
export interface NetFixtures {
  /** A scope of the test's own, closed after it and its `afterEach` hooks. What fails then fails the test. */
  net: NetScope
  /** What `net` is made with. Default: `{}`. Set it by `use` in the configuration, or by `test.use()`. */
  netOptions: ScopeOptions
  /**
   * The leak check, as options or as its mode. Default: every leak fails its test. Set it by `use` in the configuration, or by
   * `test.use()`; `PORTSIDE_LEAKS` has the last word.
   */
  leaks: PlaywrightLeakOptions | NonNullable<LeakOptions['mode']>
}

interface TestFixtures extends NetFixtures {
  portsideTest: void
}

interface WorkerFixtures {
  portsideProcess: void
}

// Before the test files that this process loads open anything.
if (isPlaywrightWorker()) playwrightCheck()

/** In milliseconds, for the check of a test or of a process. It has bounds of its own, which may be longer than the timeout of a test. */
const TIMEOUT = 60_000

const OWN = { auto: true, box: true, timeout: TIMEOUT } as const

/**
 * Playwright's `test`, with the leak check for every test and a scope for each test that asks for `net`. Each retry is checked and has a
 * scope of its own. What beforeAll hooks and worker fixtures leave open is reported when the process that runs the tests ends, as
 * an error of the run.
 * @experimental
 */
export const test: TestType<
  PlaywrightTestArgs & PlaywrightTestOptions & NetFixtures,
  PlaywrightWorkerArgs & PlaywrightWorkerOptions
> = playwrightTest.extend<TestFixtures, WorkerFixtures>({
  netOptions: [{}, { option: true }],
  leaks: [{}, { option: true }],
  portsideProcess: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads from this pattern which fixtures it has to set up.
    async ({}, use) => {
      await use()
      await playwrightCheck().endProcess(isInTest())
    },
    { ...OWN, scope: 'worker', title: 'leak check of the process' },
  ],
  portsideTest: [
    // It asks for the other one, so that it is set up behind it.
    async ({ leaks, portsideProcess: _ }, use, info) => {
      playwrightCheck().beginTest(info, leaks)
      await use()
      await playwrightCheck().endTest(info)
    },
    { ...OWN, title: 'leak check' },
  ],
  net: async ({ netOptions, portsideTest: _ }, use) => {
    const net = createScope(netOptions)
    await use(net)
    await net.close()
  },
})

function isInTest(): boolean {
  try {
    playwrightTest.info()
    return true
  } catch {
    return false
  }
}

export { expect } from '@playwright/test'
export { type WebServer, type WebServerOptions, webServer } from './playwright-server.js'
export type { NetScope, PlaywrightLeakOptions, ScopeOptions }
