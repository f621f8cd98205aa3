import type { BaseExpect } from 'expect'
import type { Match, NetAsymmetricMatchers, NetMatchers } from '../assertions/matcher-types.js'
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
 * Gives each test below a scope. Call it at the top of a file or of a `describe`. The methods of the result act on the scope of the running
 * test.
 *
 * The call registers a `beforeEach` that makes the scope and an `afterEach` that closes it. An error of the close fails the test, in
 * addition to the test's own error. Outside of a test, the methods throw ERR_PORTSIDE_SCOPE_CLOSED. They also throw in a `test.concurrent`,
 * because Jest runs no `beforeEach` before it.
 *
 * @throws ERR_PORTSIDE_UNSUPPORTED if Jest's global hooks are missing, as with `injectGlobals: false`
 * @throws ERR_INVALID_ARG_TYPE if an option has the wrong type
 * @throws ERR_OUT_OF_RANGE if an option is out of range
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```js
 * import { useNet } from 'portside/jest'
 *
 * const net = useNet()
 *
 * test('greets', async () => {
 *   const server = await net.listenHttp((request, response) => response.end('hello'))
 *   expect(await (await fetch(server.url)).text()).toBe('hello')
 * })
 * ```
 * @see `docs/jest.md#a-scope-for-each-test`
 */
export function useNet(options?: ScopeOptions): NetScope {
  const { beforeEach, afterEach } = globals
  if (beforeEach === undefined || afterEach === undefined) {
    throw noHooks(
      'there is no global beforeEach and afterEach: this is not a Jest test file, or injectGlobals is false',
    )
  }
  return scopePerTest(options, {
    register({ open, close }) {
      beforeEach(open)
      afterEach(close)
    },
    runningTest,
    whyNone:
      'no test with a scope is running; a test.concurrent has no scope, because Jest runs no beforeEach before it',
  })
}

/**
 * Tells a `test.concurrent` apart from the test with the scope. Up to Jest 30.1 a concurrent test runs while others do, and only it has a
 * name. Since 30.2 every test has a name, and they do not run at once.
 */
const runningTest = (): string | undefined => globals.expect?.getState?.().currentConcurrentTestName?.()

/**
 * Adds the matchers to an `expect`. Needed only with `injectGlobals: false`, for the `expect` of `@jest/globals`. Calling it twice is safe.
 *
 * @throws ERR_INVALID_ARG_TYPE if the argument has no `extend()`
 * @example
 * ```js
 * import { expect } from '@jest/globals'
 * import { install } from 'portside/jest'
 *
 * install(expect)
 * ```
 * @see `docs/jest.md#matchers`
 */
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

export type { Match, NetAsymmetricMatchers, NetMatchers, NetScope }
export { matchers }
