import { readFileSync } from 'node:fs'
import { LeakCheck, type RunnerOptions } from '../leaks/leak-check.js'
import { printable } from '../leaks/main-process.js'
import { processState } from '../process-state.js'
import type { NetScope, ScopeOptions } from '../scope.js'
import { announce, printLine } from './announcement.js'
import { checkDeno, checkPermissions } from './deno-place.js'
import { framesOnly } from './frames-only.js'
import { denoTest } from './this-runner.js'
import { noHooks, scopePerTest } from './use-net.js'

type Owner = ReturnType<LeakCheck['beginTest']>

/**
 * Gives each test of the file a scope. Call it at the top of the file, after the import. The methods of the result act on the scope of the
 * running test, which closes after the test and before the leak check. An error of the close fails the test.
 *
 * @throws ERR_PORTSIDE_UNSUPPORTED if `Deno.test` has no hooks
 * @throws ERR_INVALID_ARG_TYPE if an option has the wrong type
 * @throws ERR_OUT_OF_RANGE if an option is out of range
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```js
 * import { assertEquals } from 'jsr:@std/assert'
 * import { useNet } from 'portside/deno'
 *
 * const net = useNet()
 *
 * Deno.test('greets', async () => {
 *   const server = await net.listenHttp((request, response) => response.end('hello'))
 *   assertEquals(await (await fetch(server.url)).text(), 'hello')
 * })
 * ```
 * @see `docs/deno.md#a-scope-for-each-test`
 * @experimental
 */
export function useNet(options?: ScopeOptions): NetScope {
  const { beforeEach, afterEach } = denoTest() ?? {}
  if (beforeEach === undefined || afterEach === undefined) throw noHooks('Deno.test has no beforeEach and afterEach')
  return scopePerTest(options, {
    register({ open, close }) {
      beforeEach(open)
      // Deno calls the hook that was registered last first, so this comes before the leak check.
      afterEach(close)
    },
    whyNone: 'no test is running',
  })
}

/** The leak check of one file: Deno runs each in a realm of its own, and its tests one after another. */
class DenoCheck {
  readonly check = new LeakCheck(undefined, withKernel({}))
  announced: boolean | undefined
  #hasBegun = false
  #hasFailed = false
  #running: { readonly owner: Owner; readonly openBefore: ReadonlySet<number> | undefined } | undefined

  constructor() {
    const { beforeEach, afterEach, afterAll } = denoTest() ?? {}
    // Not async: Deno calls the test in the context that a hook enters in its first turn.
    beforeEach?.(() => {
      this.#hasBegun = true
      announce(this.check.options, this.announced, process.pid)
      if (this.check.options.mode === 'off') return
      // Deno does not tell a hook the name of its test, so a report has none.
      this.#running = { owner: this.check.beginTest(''), openBefore: this.check.openNow() }
      this.check.enter(this.#running.owner)
    })
    afterEach?.(() => this.#endTest())
    afterAll?.(() => this.#endFile())
    for (const event of ['error', 'unhandledrejection']) {
      ;(globalThis as unknown as EventTarget).addEventListener(event, () => {
        this.#hasFailed = true
      })
    }
  }

  async #endFile(): Promise<void> {
    const error = await this.check.endFile()
    if (error === undefined) return
    // Deno shows one error of a file. A hook before all tests, or code that nothing awaits, has failed, and its error says more.
    if (this.#hasFailed || !this.#hasBegun) printLine(printable(error.message))
    else throw framesOnly(error)
  }

  async #endTest(): Promise<void> {
    const { owner, openBefore } = this.#running ?? {}
    this.#running = undefined
    const error = await this.check.endTest(owner, [], openBefore)
    if (error !== undefined) throw framesOnly(error)
  }
}

/** `Deno.listen()` and `Deno.serve()` publish nothing, so only the kernel shows what a test has opened by them. */
function withKernel(options: RunnerOptions): RunnerOptions {
  // The check refuses what is no object.
  if (!isObject(options)) return options
  const { leaks = {} } = options
  const given = typeof leaks === 'string' ? { mode: leaks } : leaks
  return isObject(given) ? { ...options, leaks: { kernel: !isParallel(), ...given } } : options
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/** With `--parallel`, files run in threads of one process, and the kernel does not show which of them has opened a socket. */
function isParallel(): boolean {
  try {
    return readFileSync('/proc/self/cmdline', 'utf8').split('\0').includes('--parallel')
  } catch {
    // Another system, or no permission to read it.
    return true
  }
}

checkDeno()
checkPermissions()

/** Shared by all copies of portside. */
const installed = processState('runners.deno', () => new DenoCheck())

/**
 * Changes the options of the leak check of this file from now on. Call it at the top of a test file, or in a module for `--preload`.
 *
 * @throws ERR_INVALID_ARG_TYPE if an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if an option or `PORTSIDE_LEAKS` has an invalid value
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```js
 * // test/leaks.js, for: deno test --preload ./test/leaks.js
 * import { install } from 'portside/deno'
 *
 * install({ leaks: { ignore: [{ package: 'pg' }] } })
 * ```
 * @see `docs/deno.md#options`
 * @experimental
 */
export function install(options: RunnerOptions): void {
  installed.check.use(withKernel(options))
  installed.announced = options?.announce
}

export type { NetScope, RunnerOptions }
