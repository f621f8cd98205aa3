import {
  type PlaywrightTestArgs,
  type PlaywrightTestOptions,
  type PlaywrightWorkerArgs,
  type PlaywrightWorkerOptions,
  test as playwrightTest,
  type TestType,
} from '@playwright/test'
import { createScope, type NetScope, type ScopeOptions } from '../scope.js'
import { type PlaywrightLeakOptions, playwrightCheck } from './playwright-leaks.js'
import { checkPlace } from './right-place.js'
import { isPlaywrightWorker } from './this-runner.js'

checkPlace('playwright', 'Playwright')

/**
 * The fixtures and options that portside adds to those of Playwright.
 * @experimental
 */
export interface NetFixtures {
  /** The scope of the test. It closes after the `afterEach` hooks, and an error of the close fails the test. */
  net: NetScope
  /**
   * The options of `net`. Set them with `use` in the configuration, or with `test.use()`.
   * @default {}
   */
  netOptions: ScopeOptions
  /**
   * The options of the leak check, or its mode. Set them with `use` in the configuration, or with `test.use()`. `PORTSIDE_LEAKS` overrides
   * the mode.
   * @default `{}`: every leak fails its test
   */
  leaks: PlaywrightLeakOptions | 'fail' | 'warn' | 'off'
}

interface TestFixtures extends NetFixtures {
  portsideTest: void
}

interface WorkerFixtures {
  portsideProcess: void
}

// Before a test file that this process loads opens a socket.
if (isPlaywrightWorker()) playwrightCheck()

/**
 * Milliseconds, for the check of a test or a process. The check has its own time limits, which may be longer than the timeout of a test.
 */
const TIMEOUT = 60_000

const OWN = { auto: true, box: true, timeout: TIMEOUT } as const

/**
 * Playwright's `test`, with the leak check for every test and a scope for each test that asks for `net`. Each retry is checked and has its
 * own scope. Sockets that beforeAll hooks and worker fixtures leave open are reported when the worker ends, as an error of the run.
 *
 * @example
 * ```js
 * import { expect, test } from 'portside/playwright'
 *
 * test('greets', async ({ net, request }) => {
 *   const server = await net.listenHttp((incoming, response) => response.end('hello'))
 *   expect(await (await request.get(server.url.href)).text()).toBe('hello')
 * })
 * ```
 * @see `docs/playwright.md#the-leak-check`
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
    // It asks for portsideProcess to be set up after it.
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
