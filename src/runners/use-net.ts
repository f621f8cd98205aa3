import { type PortsideError, portsideError } from '../errors.js'
import { createScope, type NetScope, type ScopeOptions, scopeFor } from '../scope.js'

export interface ScopeRunner {
  /** Registers `open` before each test and `close` after it. If `close` rejects, the test must fail. */
  register(hooks: { open(): void; close(): Promise<void> }): void
  /** Names the running test, if several run at the same time. Default: one test runs at a time. */
  runningTest?(): string | undefined
  /** Why a method that is called outside of a test has no scope. */
  readonly whyNone: string
}

/** The result of a runner's `useNet()`: its methods act on the scope of the running test. */
export function scopePerTest(options: ScopeOptions | undefined, runner: ScopeRunner): NetScope {
  const { runningTest = () => undefined, whyNone } = runner
  const methods = Reflect.ownKeys(scopeFor('useNet()', options)) as Array<keyof NetScope>
  let running: { readonly name: string | undefined; scope?: NetScope } | undefined

  runner.register({
    open() {
      running = { name: runningTest() }
    },
    async close() {
      const scope = running?.scope
      running = undefined
      await scope?.close()
    },
  })

  const forward =
    (method: keyof NetScope) =>
    (...args: never[]): unknown => {
      if (running === undefined || running.name !== runningTest()) throw noScope(method, whyNone)
      // Not earlier: root hooks of one Mocha file run for the tests of all files.
      running.scope ??= createScope(options)
      return (running.scope[method] as (...args: never[]) => unknown)(...args)
    }
  return Object.fromEntries(methods.map((method) => [method, forward(method)])) as unknown as NetScope
}

const noScope = (method: keyof NetScope, because: string): PortsideError =>
  portsideError('ERR_PORTSIDE_SCOPE_CLOSED', {
    headline: `Cannot call ${String(method)}() of useNet()`,
    because,
    next: 'call it in a test, or call createScope() and close the scope yourself',
  })

/** The error if a runner has no hooks that could open and close a scope. */
export const noHooks = (because: string): PortsideError =>
  portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline: 'Cannot give each test a scope',
    because,
    next: 'call createScope() in your own beforeEach, and close() of the scope in your own afterEach',
  })
