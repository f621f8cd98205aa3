import { type PortsideError, portsideError } from '../errors.js'
import { createScope, type NetScope, type ScopeOptions, scopeFor } from '../scope.js'

/** How a runner opens and closes the scope of a test. */
export interface ScopeRunner {
  /** Registers `open` before each test and `close` after it. A rejection of `close` has to fail that test. */
  register(hooks: { open(): void; close(): Promise<void> }): void
  /** Tells tests that run at the same time apart. Default: one test runs at a time. */
  runningTest?(): string | undefined
  /** Why a method that is called outside of a test has no scope. */
  readonly whyNone: string
}

/** What `useNet()` of a runner returns: its methods are those of the running test's scope. */
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
      // Not before: at the root of a Mocha run the hooks of one file run for the tests of all files.
      running.scope ??= createScope(options)
      return (running.scope[method] as (...args: never[]) => unknown)(...args)
    }
  return Object.fromEntries(methods.map((method) => [method, forward(method)])) as unknown as NetScope
}

const noScope = (method: keyof NetScope, because: string): PortsideError =>
  portsideError('ERR_PORTSIDE_SCOPE_CLOSED', {
    headline: `Cannot call ${String(method)}() of useNet()`,
    because,
    next: 'call it in a test, or use createScope() and close it yourself',
  })

/** The error where a runner has no hooks to open and close a scope in. */
export const noHooks = (because: string): PortsideError =>
  portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline: 'Cannot give each test a scope',
    because,
    next: 'call createScope() and its close() in a beforeEach and an afterEach of your own',
  })
