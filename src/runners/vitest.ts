import { type TestAPI, test as vitestTest } from 'vitest'
import type { Match, NetAsymmetricMatchers, NetMatchers } from '../assertions/matcher-types.js'
import { matchers } from '../assertions/matchers.js'
import type { RunnerOptions } from '../leaks/leak-check.js'
import { createScope, type NetScope, type ScopeOptions } from '../scope.js'
import { checkPlace } from './right-place.js'
import { install } from './vitest-install.js'
import { isSetupFile } from './vitest-worker.js'

checkPlace('vitest', 'Vitest')

// Every entry declares it for itself: a declaration file rolled up by tsup loses its imports for side effects.
declare module 'vitest' {
  interface Matchers extends NetMatchers {}
  interface AsymmetricMatchersContaining extends NetAsymmetricMatchers {}
  interface ProvidedContext {
    /** The options of `install()` if it is called without options. */
    portside?: RunnerOptions
  }
}

/** The fixtures that portside adds to those of Vitest. */
export interface NetFixtures {
  /** The scope of the test. It closes after the `afterEach` hooks, and an error of the close fails the test. */
  net: NetScope
  /**
   * The options of `net`. Set them with `test.extend({ netOptions: { grace: 100 } })`. Before Vitest 4.1, that does not reach fixtures of
   * an earlier `extend()`: use `test.scoped()` in the file or a `describe`.
   * @default {}
   */
  netOptions: ScopeOptions
}

/**
 * Vitest's `test`, with a scope for each test that asks for `net`, and for each retry. The scope closes after the `afterEach` hooks. An
 * error of the close fails the test, in addition to the test's own error.
 *
 * Before Vitest 4.1, fixtures are not torn down if an `afterEach` hook has failed.
 *
 * @example
 * ```js
 * import { test } from 'portside/vitest'
 * import { expect } from 'vitest'
 *
 * test('greets', async ({ net }) => {
 *   const server = await net.listenHttp((request, response) => response.end('hello'))
 *   expect(await (await fetch(server.url)).text()).toBe('hello')
 * })
 * ```
 * @see `docs/vitest.md#a-scope-for-each-test`
 */
export const test: TestAPI<NetFixtures> = vitestTest.extend<NetFixtures>({
  netOptions: {},
  net: async ({ netOptions }, use) => {
    const net = createScope(netOptions)
    await use(net)
    await net.close()
  },
})

// In `setupFiles`, this works like `portside/vitest/setup`: Vitest evaluates it for each test file.
if (isSetupFile(import.meta.url)) install()

export type { Match, NetAsymmetricMatchers, NetMatchers, NetScope, RunnerOptions }
export { install, matchers, test as it }
