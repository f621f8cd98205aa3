import { type TestAPI, test as vitestTest } from 'vitest'
import type { NetAsymmetricMatchers, NetMatchers } from '../assertions/matcher-types.js'
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
    /** What `install()` takes where it is given nothing. */
    portside?: RunnerOptions
  }
}

export interface NetFixtures {
  /** A scope of the test's own, closed after it. */
  net: NetScope
  /**
   * What `net` is made with. Default: `{}`. Set it by `test.extend({ netOptions: { grace: 100 } })`; before Vitest 4.1,
   * where that reaches no fixture of an earlier `extend()`, by `test.scoped()` in the file or a `describe`.
   */
  netOptions: ScopeOptions
}

/**
 * Vitest's `test`, with a scope for each test that asks for `net`, and for each retry. It is closed after the `afterEach`
 * hooks. What fails then fails the test, beside the test's own error.
 *
 * Vitest before 4.1 tears down no fixture of a test in which an `afterEach` hook failed.
 */
export const test: TestAPI<NetFixtures> = vitestTest.extend<NetFixtures>({
  netOptions: {},
  net: async ({ netOptions }, use) => {
    const net = createScope(netOptions)
    await use(net)
    await net.close()
  },
})

// Named in `setupFiles`, where `portside/vitest/setup` was meant: Vitest evaluates it for each test file.
if (isSetupFile(import.meta.url)) install()

export type { NetMatchers, NetScope, RunnerOptions }
export { install, matchers, test as it }
