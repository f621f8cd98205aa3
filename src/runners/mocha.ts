import { LeakCheck, type RunnerOptions } from './leak-check.js'

type Owner = ReturnType<LeakCheck['beginTest']>

/**
 * Root hooks with the leak check, for `module.exports.mochaHooks` of a file that `--require` names. `portside/mocha` itself is
 * such a file, with the defaults.
 */
export function install(options?: RunnerOptions): MochaHooks {
  let check: LeakCheck
  const owners = new WeakMap<object, Owner>()
  const late: Error[] = []
  const ownerOf = (test: Runnable): Owner => owners.get(test)

  return {
    beforeAll(this: HookContext) {
      check = new LeakCheck(undefined, options)
      let root = this.test.parent
      while (root?.parent) root = root.parent
      if (root !== undefined) wrapHooks(root, check, ownerOf)
    },
    beforeEach(this: HookContext) {
      const test = this.currentTest as Runnable
      const owner = check.beginTest(test.fullTitle(), test.file)
      owners.set(test, owner)
      const { fn } = test
      if (fn != null) test.fn = wrapped(fn, () => owner, check)
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
      if (late.length > 1) throw new AggregateError(late, late.map(({ message }) => message).join('\n\n'))
      if (first !== undefined) throw first
    },
  }
}

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

type Fn = (this: unknown, ...args: unknown[]) => unknown

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

/** The same with the same number of parameters: Mocha waits for a callback where there is one. */
function wrapped(fn: Fn, ownerOf: (self: unknown) => Owner, check: LeakCheck): Fn {
  const call = (self: unknown, args: unknown[]): unknown => check.run(ownerOf(self), () => Reflect.apply(fn, self, args))
  if (fn.length === 0) {
    return function (this: unknown, ...args: unknown[]) {
      return call(this, args)
    }
  }
  return function (this: unknown, done: unknown, ...args: unknown[]) {
    return call(this, [done, ...args])
  }
}

/** For Mocha's `--require`. */
export const mochaHooks: MochaHooks = install()

export type { RunnerOptions }
