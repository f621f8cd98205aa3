import type { BaseExpect } from 'expect'
import type { NetAsymmetricMatchers, NetMatchers } from '../assertions/matcher-types.js'
import { matchers } from '../assertions/matchers.js'
import { readAhead } from '../read-ahead.js'
import type { NetScope, ScopeOptions } from '../scope.js'
import { type ExtensibleExpect, installMatchers } from './install-matchers.js'
import { checkMatchersPlace } from './jest-place.js'
import { noHooks, scopePerTest } from './use-net.js'

declare module 'expect' {
  interface Matchers<R, T> extends NetMatchers {}
  interface AsymmetricMatchers extends NetAsymmetricMatchers {}
}

declare global {
  namespace jest {
    interface Matchers<R, T> extends NetMatchers {}
    interface Expect extends NetAsymmetricMatchers {}
    interface InverseAsymmetricMatchers extends NetAsymmetricMatchers {}
  }
}

/**
 * A scope for each test below: call it at the top of a file or a `describe`. Its methods are those of the scope of the
 * test that runs; it is made in a `beforeEach` and closed in an `afterEach`, both registered here. What fails then
 * fails the test, beside the test's own error.
 *
 * Outside of a test they throw ERR_PORTSIDE_SCOPE_CLOSED; so they do in `test.concurrent`, before which Jest runs no
 * `beforeEach`. Needs Jest's globals, and throws ERR_PORTSIDE_UNSUPPORTED where there are none.
 */
export function useNet(options?: ScopeOptions): NetScope {
  const { beforeEach, afterEach } = globals
  if (beforeEach === undefined || afterEach === undefined) {
    throw noHooks(
      'there is no global beforeEach and afterEach: this is no Jest test file, or its injectGlobals is false',
    )
  }
  return scopePerTest(options, {
    register({ open, close }) {
      beforeEach(open)
      afterEach(close)
    },
    runningTest,
    whyNone: 'no test with a scope is running here; Jest runs no beforeEach before a test.concurrent, so it has none',
  })
}

/**
 * The name by which a `test.concurrent` is told from the test with the scope: up to Jest 30.1 it runs beside the others
 * and has a name, and they have none. Since 30.2 each has its own, and they do not run at once.
 */
const runningTest = (): string | undefined => globals.expect?.getState?.().currentConcurrentTestName?.()

/** Adds the matchers to an `expect`: that of @jest/globals, where the setting `injectGlobals` is false. */
export function install(expect: Pick<BaseExpect, 'extend'>): void {
  installMatchers(expect)
}

const globals = globalThis as {
  beforeEach?(hook: () => void): void
  afterEach?(hook: () => Promise<void>): void
  expect?: ExtensibleExpect & {
    getState?(): { currentConcurrentTestName?(): string | undefined }
  }
}

checkMatchersPlace()
// Before a test can use up the descriptors.
readAhead()
if (globals.expect !== undefined) installMatchers(globals.expect)

export type { NetMatchers, NetScope }
export { matchers }
