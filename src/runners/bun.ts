import type { NetAsymmetricMatchers, NetMatchers } from '../assertions/matcher-types.js'
import { LeakCheck, type RunnerOptions } from '../leaks/leak-check.js'
import { processState } from '../process-state.js'
import type { NetScope, ScopeOptions } from '../scope.js'
import { announce } from './announcement.js'
import { bunTest, isPreloadedByBun } from './bun-test.js'
import { installMatchers } from './install-matchers.js'
import { scopePerTest } from './use-net.js'

declare module 'bun:test' {
  interface Matchers<T> extends NetMatchers {}
  interface AsymmetricMatchers extends NetAsymmetricMatchers {}
}

type Owner = ReturnType<LeakCheck['beginTest']>

const { beforeEach, afterEach, afterAll, onTestFinished, expect } = bunTest()

/**
 * Gives each test below a scope. Call it at the top of a file or of a `describe`. The methods of the result act on the scope of the running
 * test.
 *
 * The call registers hooks that close the scope after each test and each attempt of a retry. An error of the close fails the test. Outside of
 * a test, and while several tests run at the same time, the methods throw ERR_PORTSIDE_SCOPE_CLOSED.
 *
 * @throws ERR_INVALID_ARG_TYPE if an option has the wrong type
 * @throws ERR_OUT_OF_RANGE if an option is out of range
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```js
 * import { expect, test } from 'bun:test'
 * import { useNet } from 'portside/bun'
 *
 * const net = useNet()
 *
 * test('greets', async () => {
 *   const server = await net.listenHttp((request, response) => response.end('hello'))
 *   expect(await (await fetch(server.url)).text()).toBe('hello')
 * })
 * ```
 * @see `docs/bun.md#a-scope-for-each-test`
 * @experimental
 */
export function useNet(options?: ScopeOptions): NetScope {
  let running = 0
  let calls = 0
  return scopePerTest(options, {
    register({ open, close }) {
      beforeEach(() => {
        if (running++ === 0) open()
      })
      afterEach(async () => {
        if (--running === 0) await close()
      })
    },
    // Nothing shows which of several tests makes a call.
    runningTest: () => (running > 1 ? `one of several, ${++calls}` : undefined),
    whyNone: 'no test with a scope is running, or several tests are running at the same time',
  })
}

/** The leak check of one process of `bun test`, which runs the tests of several files. */
class BunCheck {
  readonly check = new LeakCheck(undefined, undefined)
  announced: boolean | undefined
  readonly #running = new Set<RunningTest>()
  #outside: { readonly file: string; readonly owner: Owner } | undefined

  constructor() {
    this.check.ownUnowned(() => this.#ownerNow())
    // Hooks of a preloaded module surround those of all files.
    beforeEach(() => this.#begin())
    afterEach(() => {
      const test = [...this.#running].at(-1)
      if (test === undefined) return
      try {
        // Bun calls these functions after all afterEach hooks, in their order.
        onTestFinished(() => this.#end(test))
      } catch {
        // Bun refuses the call in a concurrent test.
        for (const each of this.#running) each.isConcurrent = true
        this.#running.delete(test)
      }
    })
    // In a test file this hook would run before those of the file.
    if (isPreloadedByBun()) afterAll(() => this.#endRun())
  }

  #begin(): void {
    const { kernel = true } = this.check.options
    announce({ ...this.check.options, kernel }, this.announced, process.pid)
    if (this.check.options.mode === 'off') return
    const test: RunningTest = {
      owner: this.check.beginTest(''),
      openBefore: this.check.openNow(),
      isConcurrent: false,
    }
    this.#running.add(test)
    if (this.#running.size > 1) for (const each of this.#running) each.isConcurrent = true
  }

  async #end(test: RunningTest): Promise<void> {
    this.#running.delete(test)
    if (test.isConcurrent) return
    const error = await this.check.endTest(test.owner, [], test.openBefore)
    if (error !== undefined) throw shownByBun(error)
  }

  async #endRun(): Promise<void> {
    this.#running.clear()
    const error = await this.check.endFile()
    if (error !== undefined) throw shownByBun(error)
  }

  /**
   * Bun runs no test in a context of its own, so sockets belong to the test that runs when they are opened. Bun does not tell a hook the name
   * of its test, so a report has none.
   */
  #ownerNow(): Owner {
    const [test] = this.#running
    if (test !== undefined) return test.owner
    const file = Bun.main
    if (this.#outside?.file !== file) this.#outside = { file, owner: this.check.ofFile(file) }
    return this.#outside.owner
  }
}

/** Bun shows the source of the place where an error was made, if it has frames: the code of portside. It shows the text of the stack. */
function shownByBun({ name, message, stack, ...fields }: Error): Error {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  const error = new Error(message)
  Error.stackTraceLimit = limit
  Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true })
  return Object.assign(error, { stack }, fields)
}

interface RunningTest {
  readonly owner: Owner
  /** The inodes of sockets that were open when it began. Undefined if the kernel is not asked. */
  readonly openBefore: ReadonlySet<number> | undefined
  /** Whether another test ran meanwhile. Its leaks are found when the run ends. */
  isConcurrent: boolean
}

declare const Bun: { readonly main: string }

/** One per process, shared by all copies of portside. */
const installed = processState('runners.bun', () => new BunCheck())
installMatchers(expect)

/**
 * Changes the options of the leak check from now on. Call it in a module that you preload.
 *
 * @throws ERR_INVALID_ARG_TYPE if an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if an option or `PORTSIDE_LEAKS` has an invalid value
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```js
 * // test/leaks.js, for: bun test --preload ./test/leaks.js
 * import { install } from 'portside/bun'
 *
 * install({ leaks: { ignore: [{ endpoint: { port: 5432 } }] } })
 * ```
 * @see `docs/bun.md#options`
 * @experimental
 */
export function install(options: RunnerOptions): void {
  installed.check.use(options)
  installed.announced = options?.announce
}

export type { NetScope, RunnerOptions }
