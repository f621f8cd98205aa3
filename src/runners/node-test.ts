import { AsyncResource } from 'node:async_hooks'
import { after, afterEach, beforeEach } from 'node:test'
import { types } from 'node:util'
import { runInThisContext } from 'node:vm'
import { readArgument } from '../argument.js'
import { dropOwnFrames } from '../caller.js'
import { LeakCheck, type RunnerOptions } from '../leaks/leak-check.js'
import { patch } from '../platform/patches.js'
import { processState } from '../process-state.js'
import { type NetScope, type ScopeOptions, scopeFor } from '../scope.js'
import { announce } from './announcement.js'
import { checkPlace } from './right-place.js'

type Owner = ReturnType<LeakCheck['beginTest']>

/** The part of the context of a test that is read here. */
interface Context {
  readonly name: string
  readonly fullName?: string
  readonly passed?: boolean
  readonly error?: unknown
  after(hook: () => void | Promise<void>): void
  diagnostic(message: string): void
}

/**
 * Gives a test a scope, which `t.after()` closes: after the `afterEach` hooks and before the leak check. An error of the close fails the
 * test.
 *
 * @throws ERR_INVALID_ARG_TYPE if the first argument is not the context of a test, or an option has the wrong type
 * @throws ERR_OUT_OF_RANGE if an option is out of range
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```js
 * import assert from 'node:assert'
 * import test from 'node:test'
 * import { useNet } from 'portside/node-test'
 *
 * test('greets', async (t) => {
 *   const server = await useNet(t).listenHttp((request, response) => response.end('hello'))
 *   assert.equal(await (await fetch(server.url)).text(), 'hello')
 * })
 * ```
 * @see `docs/node-test.md#a-scope-for-each-test`
 */
export function useNet(test: { after(hook: () => Promise<void>): void }, options?: ScopeOptions): NetScope {
  readArgument('test', 'the context of a test, as in useNet(t)', test, () =>
    typeof test.after === 'function' ? test : undefined,
  )
  const scope = scopeFor('useNet()', options)
  test.after(() => scope.close())
  return scope
}

class NodeTestCheck {
  readonly check = new LeakCheck(undefined, undefined, { waits: true })
  announced: boolean | undefined
  readonly #owners = new WeakMap<object, { owner: Owner }>()

  constructor() {
    // No test runs in that process, and a hook would make it print a report of its own.
    if (isParentOfFiles()) return
    this.#runTestsAsOwners()
    // Hooks of a preloaded module are root hooks, which run for every test.
    beforeEach((test) => {
      announce(this.check.options, this.announced, isFileOfRun() ? process.ppid : process.pid)
      this.#ownerOf(test as unknown as Context)
    })
    // node:test calls the functions of `t.after()` after the afterEach hooks, in their order, so this comes last.
    afterEach((test) => {
      const context = test as unknown as Context
      context.after(() => this.#endTest(context))
    })
    // The after hooks of the root likewise: a hook that is registered during these, from outside of them, is called last.
    const outside = new AsyncResource('portside')
    after(() => outside.runInAsyncScope(() => calledByFile(after)(() => this.#endFile())))
  }

  /**
   * node:test runs bodies, hooks and subtests of a test through this method of its class, with its context as `this`. A store that a hook
   * sets would be lost, because the body runs in the scope in which the test was made.
   */
  #runTestsAsOwners(): void {
    const ownerOf = (resource: AsyncResource, context: unknown): Owner => {
      if (isTestContext(context)) return this.#ownerOf(context)
      // A hook of the file or of a suite.
      return resource.constructor.name === 'TestHook' ? this.check.ofFile() : undefined
    }
    const run = (owner: Owner, action: () => unknown): unknown => this.check.run(owner, action)
    // Never undone: tests run until the process ends.
    patch(
      AsyncResource.prototype,
      'runInAsyncScope',
      (runInAsyncScope) =>
        function (this: AsyncResource, action: (...args: never[]) => unknown, self, ...args) {
          const owner = isTest(this) ? ownerOf(this, self) : undefined
          if (owner === undefined) return Reflect.apply(runInAsyncScope, this, [action, self, ...args])
          const asOwner = function (this: unknown, ...given: unknown[]): unknown {
            const done = given[1]
            if (typeof done === 'function') given[1] = endingWith(done as () => unknown)
            return withoutOwnFrames(() => run(owner, () => Reflect.apply(action, this, given)))
          }
          return Reflect.apply(runInAsyncScope, this, [asOwner, self, ...args])
        } as typeof runInAsyncScope,
      'node:test has no hook around a test',
    )
  }

  #ownerOf(context: Context): Owner {
    let known = this.#owners.get(context)
    if (known === undefined) {
      known = { owner: this.check.beginTest(context.fullName ?? context.name, process.argv[1]) }
      this.#owners.set(context, known)
    }
    return known.owner
  }

  async #endFile(): Promise<void> {
    const error = await this.check.endFile()
    if (error !== undefined) throw error
  }

  async #endTest(context: Context): Promise<void> {
    const error = await this.check.endTest(this.#ownerOf(context))
    if (error === undefined) return
    // node:test shows only the first error of a failed test.
    if (context.passed !== true) for (const line of error.message.split('\n')) context.diagnostic(line)
    throw error
  }
}

/** Runs a test or a hook, and drops the frames of portside from its error. */
function withoutOwnFrames<T>(body: () => T): T {
  try {
    const result = body()
    if (types.isPromise(result)) result.then(undefined, dropOwnFrames)
    return result
  } catch (error) {
    dropOwnFrames(error)
    throw error
  }
}

const endingWith =
  (done: (...args: unknown[]) => unknown) =>
  (...args: unknown[]): unknown => {
    dropOwnFrames(args[0])
    return done(...args)
  }

/** Registers a hook as if the test file had called: if a hook fails, Node names the file that registered it. */
function calledByFile<T extends unknown[]>(register: (...args: T) => void): (...args: T) => void {
  const file = process.argv[1]
  if (file === undefined) return register
  const source = '(register, args) => void register(...args)'
  const at = { filename: file, columnOffset: -source.lastIndexOf('register') }
  const call = runInThisContext(source, at) as (register: (...args: T) => void, args: T) => void
  return (...args) => call(register, args)
}

const isFileOfRun = (): boolean => process.env.NODE_TEST_CONTEXT !== undefined

/** Whether this is `node --test`, which runs each file in a process of its own. It loads modules of `--require`, but not of `--import`. */
function isParentOfFiles(): boolean {
  const options = process.execArgv.join('\n')
  return !isFileOfRun() && /^--test$/m.test(options) && !/^--(?:experimental-)?test-isolation[=\n]none$/m.test(options)
}

const isTest = (resource: AsyncResource): boolean => TESTS.has(resource.constructor.name)
const isTestContext = (context: unknown): context is Context =>
  (context as object | null | undefined)?.constructor?.name === 'TestContext' && (context as Context).name !== '<root>'
const TESTS: ReadonlySet<string> = new Set(['Test', 'TestHook'])

checkPlace('node-test', 'node:test', true)

/** One per process, shared by all copies of portside. */
const installed = processState('runners.node-test', () => new NodeTestCheck())

/**
 * Changes the options of the leak check from now on. Call it in a module that you preload.
 *
 * @throws ERR_INVALID_ARG_TYPE if an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if an option or `PORTSIDE_LEAKS` has an invalid value
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```js
 * // test/leaks.mjs, for: node --import ./test/leaks.mjs --test
 * import { install } from 'portside/node-test'
 *
 * install({ leaks: { ignore: [{ package: 'pg' }] } })
 * ```
 * @see `docs/node-test.md#options`
 */
export function install(options: RunnerOptions): void {
  installed.check.use(options)
  installed.announced = options?.announce
}

export type { NetScope, RunnerOptions }
