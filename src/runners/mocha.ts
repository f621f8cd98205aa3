import { dropOwnFrames } from '../caller.js'
import { LeakCheck, type RunnerOptions, readLeakOptions } from '../leaks/leak-check.js'
import { bounded, LONGEST_MESSAGE } from '../message.js'
import { patch } from '../platform/patches.js'
import { processState } from '../process-state.js'
import type { NetScope, ScopeOptions } from '../scope.js'
import { announce } from './announcement.js'
import { checkBehindRun, mainProcess, requireInMocha } from './mocha-run.js'
import { checkPlace } from './right-place.js'
import { noHooks, scopePerTest } from './use-net.js'

type Owner = ReturnType<LeakCheck['beginTest']>

/**
 * Returns Mocha's root hooks with the leak check, for `exports.mochaHooks` of a file that `--require` names. `portside/mocha` itself is
 * such a file, with the defaults. If several required files call it, the last options apply.
 *
 * @throws ERR_INVALID_ARG_TYPE if an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if an option or `PORTSIDE_LEAKS` has an invalid value
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```js
 * // test/leaks.cjs, for: mocha --require ./test/leaks.cjs
 * const { install } = require('portside/mocha')
 *
 * exports.mochaHooks = install({ leaks: { ignore: [{ package: 'pg' }] } })
 * ```
 * @see `docs/mocha.md#options`
 */
export function install(options?: RunnerOptions): MochaHooks {
  // Invalid options throw here, not in a hook.
  readLeakOptions(options, 'install()')
  const state = installed()
  if (options !== undefined) state.options = options
  // If a file of the user imports this module, its own install() call follows and may turn the check off, so this waits for it.
  // A test file that imports this module for useNet() does not ask for the check.
  if (!isInTestFile())
    queueMicrotask(() => {
      if (readLeakOptions(state.options, 'install()').mode !== 'off') checkBehindRun(() => state.options)
    })
  let run: MochaRun | undefined
  const hooks: MochaHooks = {
    beforeAll(this: HookContext) {
      const root = rootOf(this.test as Runnable)
      // If several files call install(), one of them checks, with the last options.
      if (state.root?.deref() === root) return
      state.root = new WeakRef(root)
      announce(readLeakOptions(state.options, 'install()'), state.options?.announce, mainProcess())
      // A worker of a parallel run makes a new one for each file.
      run = new MochaRun(state.options, this.test as Runnable, hooks)
    },
    async afterEach(this: HookContext) {
      await run?.endTest(this.currentTest as Runnable)
    },
    async afterAll(this: HookContext) {
      // The check has its own time limits.
      this.timeout?.(0)
      await run?.end(this.test as Runnable)
      run = undefined
    },
  }
  return hooks
}

/** Mocha defines these globals when it loads test files. */
const isInTestFile = (): boolean => globals.beforeEach !== undefined || globals.setup !== undefined

/** Shared by all copies of portside that the required files load. */
const installed = (): { options?: RunnerOptions; root?: WeakRef<object> } => processState('runners.mocha', () => ({}))

/** Root hooks of Mocha with the leak check. */
export interface MochaHooks {
  beforeAll(this: HookContext): void
  afterEach(this: HookContext): Promise<void>
  afterAll(this: HookContext): Promise<void>
}

/** The part of Mocha's hook context that is read here. */
export interface HookContext {
  readonly test: object
  readonly currentTest?: object | undefined
  timeout?(milliseconds: number): unknown
}

/**
 * Gives each test below a scope. Call it at the top of a file or of a `describe`. The methods of the result act on the scope of the running
 * test.
 *
 * The call registers hooks that close the scope after each test and each attempt of a retry. An error of the close fails the test, in
 * addition to the test's own error. Outside of a test, the methods throw ERR_PORTSIDE_SCOPE_CLOSED.
 *
 * @throws ERR_PORTSIDE_UNSUPPORTED if the hooks of Mocha's BDD or TDD interface are missing
 * @throws ERR_INVALID_ARG_TYPE if an option has the wrong type
 * @throws ERR_OUT_OF_RANGE if an option is out of range
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```js
 * const assert = require('node:assert')
 * const { useNet } = require('portside/mocha')
 *
 * const net = useNet()
 *
 * it('greets', async () => {
 *   const server = await net.listenHttp((request, response) => response.end('hello'))
 *   assert.equal(await (await fetch(server.url)).text(), 'hello')
 * })
 * ```
 * @see `docs/mocha.md#a-scope-for-each-test`
 */
export function useNet(options?: ScopeOptions): NetScope {
  const { beforeEach = globals.setup, afterEach = globals.teardown, after = globals.suiteTeardown } = globals
  if (beforeEach === undefined || afterEach === undefined) {
    throw noHooks('there is no global beforeEach and afterEach, or setup and teardown: this is not a Mocha test file')
  }
  return scopePerTest(options, {
    register({ open, close }) {
      beforeEach(open)
      afterEach(async function (this: HookContext | undefined) {
        await close().catch((error) => failTest(this, error))
      })
      // If an afterEach hook fails, Mocha skips the other afterEach hooks of the suite.
      after?.(close)
    },
    whyNone: 'no test with a scope is running',
  })
}

/**
 * If a hook throws, its suite ends. An error that is passed to `error()` of the hook fails only the test, but Mocha drops it if the test
 * was skipped or the error is falsy.
 */
function failTest(context: HookContext | undefined, error: Error): void {
  const { test: hook, currentTest: test } = (context ?? {}) as { test?: Runnable; currentTest?: Runnable }
  if (!error || hook?.error === undefined || test === undefined || test.isPending()) throw error
  hook.error(error)
}

const globals = globalThis as {
  beforeEach?: RegisterHook
  afterEach?: RegisterHook
  after?: RegisterHook
  setup?: RegisterHook
  teardown?: RegisterHook
  suiteTeardown?: RegisterHook
}

type RegisterHook = (hook: (this: HookContext | undefined) => void | Promise<void>) => void

/** A test or a hook. */
interface Runnable {
  readonly type: 'test' | 'hook'
  readonly fn?: unknown
  readonly file?: string
  readonly parent?: Suite | undefined
  readonly ctx?: { readonly currentTest?: Runnable | undefined }
  run(done: (error?: unknown) => void): void
  isPending(): boolean | undefined
  /** Of a hook: fails its test. */
  error?(error: Error): void
  /** While it runs: the timer of its timeout. */
  readonly timer?: NodeJS.Timeout
  fullTitle(): string
  emit(event: 'error', error: Error): boolean
  listenerCount(event: 'error'): number
}

interface Suite {
  readonly parent?: Suite | undefined
  readonly _beforeEach: Runnable[]
  readonly _afterEach: Runnable[]
  readonly _afterAll: Runnable[]
}

/** The leak check of one run of Mocha in one process. */
class MochaRun {
  readonly #check: LeakCheck
  readonly #owners = new WeakMap<Runnable, { owner: Owner }>()
  readonly #late: Error[] = []
  #last: Runnable | undefined
  readonly #undo: () => void

  constructor(options: RunnerOptions | undefined, hook: Runnable, hooks: MochaHooks) {
    // During the check, Mocha's only timer is that of the hook.
    this.#check = new LeakCheck(undefined, options, { waits: true, timersOfRunner: () => timersOf(this.#last) })
    this.#undo = () => {}
    if (this.#check.options.mode === 'off') return
    // Not earlier: now Mocha has loaded all files of this run.
    const root = rootOf(hook)
    moveToEnd(root._afterEach, hooks.afterEach)
    moveToEnd(root._afterAll, hooks.afterAll)
    this.#undo = this.#runAsOwners(hook, hooks)
  }

  async endTest(test: Runnable): Promise<void> {
    const error = await this.#check.endTest(this.#ownerOfTest(test))
    if (error === undefined) return
    // An error thrown in a root hook ends the run. An error that the test emits fails the test, unless it was skipped.
    if (test.listenerCount('error') > 0 && !test.isPending()) test.emit('error', error)
    else this.#late.push(error)
  }

  /** Runs in the last hook. */
  async end(hook: Runnable): Promise<void> {
    this.#last = hook
    this.#undo()
    const error = await this.#check.endFile()
    if (error !== undefined) this.#late.push(error)
    const [first] = this.#late
    if (this.#late.length > 1) throw new AggregateError(this.#late, together(this.#late))
    if (first !== undefined) throw first
  }

  /**
   * Mocha runs every test and hook through this method. The code after a test with a callback runs inside that callback, so the owner is
   * reset there. Other stores stay as they are, because the user may rely on them.
   */
  #runAsOwners(hook: Runnable, hooks: MochaHooks): () => void {
    const [check, ownerOf] = [this.#check, (runnable: Runnable) => this.#ownerOf(runnable)]
    const own: readonly unknown[] = Object.values(hooks)
    return patch(
      classOf(hook),
      'run',
      (run) =>
        function (this: Runnable, done) {
          if (own.includes(this.fn)) return Reflect.apply(run, this, [done])
          const outside = (...args: [unknown?]): void => {
            dropOwnFrames(args[0])
            check.run(undefined, () => done(...args))
          }
          return check.run(ownerOf(this), () => Reflect.apply(run, this, [outside]))
        },
      'Mocha has no hook around a test',
    )
  }

  /** Sockets of beforeEach and afterEach hooks belong to the test, sockets of before and after hooks to the file. */
  #ownerOf(runnable: Runnable): Owner {
    if (runnable.type === 'test') return this.#ownerOfTest(runnable)
    const { parent, ctx, file } = runnable
    const isOfTest = parent?._beforeEach.includes(runnable) || parent?._afterEach.includes(runnable)
    if (isOfTest && ctx?.currentTest !== undefined) return this.#ownerOfTest(ctx.currentTest)
    return this.#check.ofFile(file)
  }

  #ownerOfTest(test: Runnable): Owner {
    let known = this.#owners.get(test)
    if (known === undefined) {
      known = { owner: this.#check.beginTest(test.fullTitle(), test.file) }
      this.#owners.set(test, known)
    }
    return known.owner
  }
}

const timersOf = (hook: Runnable | undefined): number => (hook?.timer?.hasRef() === true ? 1 : 0)

function rootOf({ parent }: { parent?: Suite | undefined }): Suite {
  let root = parent as Suite
  while (root.parent) root = root.parent
  return root
}

/** Moves the hook after the root hooks of files and other plugins, because sockets that those close are not leaks. */
function moveToEnd(hooks: Runnable[], fn: unknown): void {
  const own = hooks.filter((hook) => hook.fn === fn)
  const others = hooks.filter((hook) => hook.fn !== fn)
  hooks.splice(0, hooks.length, ...others, ...own)
}

/** The common base class of tests and hooks, of the Mocha that runs. */
function classOf(runnable: Runnable): Runnable {
  let holder = runnable
  while (!Object.hasOwn(holder, 'run')) holder = Object.getPrototypeOf(holder)
  return holder
}

const together = (errors: readonly Error[]): string =>
  bounded(errors.map(({ message }) => message).join('\n\n'), LONGEST_MESSAGE)

checkPlace('mocha', 'Mocha')
requireInMocha()

/** The root hooks with the default options, for `mocha --require portside/mocha`. */
export const mochaHooks: MochaHooks = install()

export type { NetScope, RunnerOptions }
