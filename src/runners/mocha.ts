import { LeakCheck, type RunnerOptions, readLeakOptions } from '../leaks/leak-check.js'
import { bounded, LONGEST_MESSAGE } from '../message.js'
import { type Fn, withArity } from './with-arity.js'

type Owner = ReturnType<LeakCheck['beginTest']>

/**
 * Root hooks with the leak check, for `module.exports.mochaHooks` of a file that `--require` names. `portside/mocha` itself is
 * such a file, with the defaults.
 */
export function install(options?: RunnerOptions): MochaHooks {
  // Refused where it is called, and not in a hook.
  readLeakOptions(options, 'install()', [])
  let check: LeakCheck
  const owners = new WeakMap<object, Owner>()
  const originals = new WeakMap<Fn, Fn>()
  const late: Error[] = []
  const ownerOf = (test: Runnable): Owner => owners.get(test)

  return {
    beforeAll(this: HookContext) {
      // A worker of a parallel run has one after the other.
      late.length = 0
      check = new LeakCheck(undefined, options, { waits: true })
      let root = this.test.parent
      while (root?.parent) root = root.parent
      if (root !== undefined) wrapHooks(root, check, ownerOf)
    },
    beforeEach(this: HookContext) {
      const test = this.currentTest as Runnable
      const owner = check.beginTest(test.fullTitle(), test.file)
      owners.set(test, owner)
      // A retry is a copy, with the function as it was wrapped for the attempt before.
      const fn = originals.get(test.fn as Fn) ?? test.fn
      if (fn == null) return
      test.fn = wrapped(fn, () => owner, check)
      originals.set(test.fn, fn)
    },
    async afterEach(this: HookContext) {
      const test = this.currentTest as Runnable
      const error = await check.endTest(ownerOf(test))
      if (error === undefined) return
      // An error thrown in a root hook ends the run. One that the test emits fails the test; the runner listens for it.
      if (test.listenerCount('error') > 0) test.emit('error', error)
      else late.push(error)
    },
    async afterAll() {
      const error = await check.endFile()
      if (error !== undefined) late.push(error)
      const [first] = late
      if (late.length > 1) throw new AggregateError(late, together(late))
      if (first !== undefined) throw first
    },
  }
}

const together = (errors: readonly Error[]): string =>
  bounded(errors.map(({ message }) => message).join('\n\n'), LONGEST_MESSAGE)

export interface MochaHooks {
  beforeAll(this: HookContext): void
  beforeEach(this: HookContext): void
  afterEach(this: HookContext): Promise<void>
  afterAll(): Promise<void>
}

/** Mocha's context of a hook, as far as it is read here. */
export interface HookContext {
  readonly test: { readonly parent?: Suite | undefined }
  readonly currentTest?: Runnable | undefined
}

interface Runnable {
  fn?: Fn | null
  readonly file?: string
  fullTitle(): string
  emit(event: 'error', error: Error): boolean
  listenerCount(event: 'error'): number
}

interface Suite {
  readonly parent?: Suite | undefined
  readonly suites: readonly Suite[]
  readonly _beforeEach: Runnable[]
  readonly _afterEach: Runnable[]
}

/** What a hook opens for a test is that test's; before and after hooks are the file's. */
function wrapHooks(suite: Suite, check: LeakCheck, ownerOf: (test: Runnable) => Owner): void {
  for (const hook of [...suite._beforeEach, ...suite._afterEach]) {
    const { fn } = hook
    if (fn == null) continue
    const current = (self: unknown): Owner => {
      const test = (self as HookContext | undefined)?.currentTest
      return test === undefined ? undefined : ownerOf(test)
    }
    hook.fn = wrapped(fn, current, check)
  }
  for (const inner of suite.suites) wrapHooks(inner, check, ownerOf)
}

function wrapped(fn: Fn, ownerOf: (self: unknown) => Owner, check: LeakCheck): Fn {
  return withArity(fn.length, (self, args) => check.run(ownerOf(self), () => Reflect.apply(fn, self, args)))
}

/** For Mocha's `--require`. */
export const mochaHooks: MochaHooks = install()

export type { RunnerOptions }
