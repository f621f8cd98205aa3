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
 * Root hooks with the leak check, for `module.exports.mochaHooks` of a file that `--require` names. `portside/mocha` itself is
 * such a file, with the defaults.
 */
export function install(options?: RunnerOptions): MochaHooks {
  // Refused where it is called, and not in a hook.
  readLeakOptions(options, 'install()')
  const state = installed()
  if (options !== undefined) state.options = options
  // A file of the user that imports this one installs first what it exports for `--require`, and then its own: that may be off.
  // A test file may import it for useNet(): nothing has asked for the check then.
  if (!isInTestFile())
    queueMicrotask(() => {
      if (readLeakOptions(state.options, 'install()').mode !== 'off') checkBehindRun(() => state.options)
    })
  let run: MochaRun | undefined
  const hooks: MochaHooks = {
    beforeAll(this: HookContext) {
      const root = rootOf(this.test)
      // Of several files that call install() one checks, by the options that were given last.
      if (state.root?.deref() === root) return
      state.root = new WeakRef(root)
      announce(readLeakOptions(state.options, 'install()'), state.options?.announce, mainProcess())
      // A worker of a parallel run has one after the other.
      run = new MochaRun(state.options, this.test, hooks)
    },
    async afterEach(this: HookContext) {
      await run?.endTest(this.currentTest as Runnable)
    },
    async afterAll(this: HookContext) {
      // The check has bounds of its own.
      this.timeout?.(0)
      await run?.end(this.test)
      run = undefined
    },
  }
  return hooks
}

/** Mocha has these only once it loads test files. */
const isInTestFile = (): boolean => globals.beforeEach !== undefined || globals.setup !== undefined

/** Whichever copy of portside the required files have. */
const installed = (): { options?: RunnerOptions; root?: WeakRef<object> } => processState('runners.mocha', () => ({}))

export interface MochaHooks {
  beforeAll(this: HookContext): void
  afterEach(this: HookContext): Promise<void>
  afterAll(this: HookContext): Promise<void>
}

/** Mocha's context of a hook, as far as it is read here. */
export interface HookContext {
  readonly test: Runnable
  readonly currentTest?: Runnable | undefined
  timeout?(milliseconds: number): unknown
}

/**
 * A scope for each test below: call it at the top of a file or a `describe`. Its methods are those of the scope of the
 * test that runs. Hooks that are registered here close the scope behind the test, each attempt of a retry included. A close
 * that fails fails the test, beside the test's own error.
 *
 * Outside of a test the methods throw ERR_PORTSIDE_SCOPE_CLOSED. `useNet()` throws ERR_PORTSIDE_UNSUPPORTED where there are
 * neither the hooks of Mocha's BDD interface nor those of its TDD interface.
 */
export function useNet(options?: ScopeOptions): NetScope {
  const { beforeEach = globals.setup, afterEach = globals.teardown, after = globals.suiteTeardown } = globals
  if (beforeEach === undefined || afterEach === undefined) {
    throw noHooks('there is no global beforeEach and afterEach, or setup and teardown: Mocha does not run here')
  }
  return scopePerTest(options, {
    register({ open, close }) {
      beforeEach(open)
      afterEach(async function (this: HookContext | undefined) {
        await close().catch((error) => failTest(this, error))
      })
      // Mocha skips the other afterEach hooks of a suite when one of them fails.
      after?.(close)
    },
    whyNone: 'no test with a scope is running here',
  })
}

/**
 * An error that a hook throws ends its suite; one that the hook is given fails the test. Mocha drops the latter where the test
 * was skipped, or where the error is falsy.
 */
function failTest(context: HookContext | undefined, error: Error): void {
  const { test: hook, currentTest: test } = context ?? {}
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
  /** Of a hook: what fails its test. */
  error?(error: Error): void
  /** Of one that runs: what ends it when its time is over. */
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

/** The leak check of what Mocha runs in one process. */
class MochaRun {
  readonly #check: LeakCheck
  readonly #owners = new WeakMap<Runnable, { owner: Owner }>()
  readonly #late: Error[] = []
  #last: Runnable | undefined
  readonly #undo: () => void

  constructor(options: RunnerOptions | undefined, hook: Runnable, hooks: MochaHooks) {
    // The hook that checks has a timer, and no other of Mocha's is there then.
    this.#check = new LeakCheck(undefined, options, { waits: true, timersOfRunner: () => timersOf(this.#last) })
    this.#undo = () => {}
    if (this.#check.options.mode === 'off') return
    // Only now: Mocha has loaded all files of this run.
    const root = rootOf(hook)
    moveToEnd(root._afterEach, hooks.afterEach)
    moveToEnd(root._afterAll, hooks.afterAll)
    this.#undo = this.#runAsOwners(hook, hooks)
  }

  async endTest(test: Runnable): Promise<void> {
    const error = await this.#check.endTest(this.#ownerOfTest(test))
    if (error === undefined) return
    // An error thrown in a root hook ends the run. One that the test emits fails the test, unless it was skipped.
    if (test.listenerCount('error') > 0 && !test.isPending()) test.emit('error', error)
    else this.#late.push(error)
  }

  /** In a hook. */
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
   * Everything that Mocha runs goes through this method. What follows a test that calls back runs inside of its call: it is
   * led out of the test again. Other stores of the user stay as they are, which may be meant.
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

  /** What a hook opens for a test is that test's; before and after hooks are the file's. */
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

/** Behind the hooks that files and other plugins have at the root: what those close is no leak. */
function moveToEnd(hooks: Runnable[], fn: unknown): void {
  const own = hooks.filter((hook) => hook.fn === fn)
  const others = hooks.filter((hook) => hook.fn !== fn)
  hooks.splice(0, hooks.length, ...others, ...own)
}

/** The class of which tests and hooks are subclasses, of the Mocha that runs. */
function classOf(runnable: Runnable): Runnable {
  let holder = runnable
  while (!Object.hasOwn(holder, 'run')) holder = Object.getPrototypeOf(holder)
  return holder
}

const together = (errors: readonly Error[]): string =>
  bounded(errors.map(({ message }) => message).join('\n\n'), LONGEST_MESSAGE)

checkPlace('mocha', 'Mocha')
requireInMocha()

/** For Mocha's `--require`. */
export const mochaHooks: MochaHooks = install()

export type { NetScope, RunnerOptions }
