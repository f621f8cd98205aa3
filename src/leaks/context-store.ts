import { AsyncLocalStorage, createHook, executionAsyncResource } from 'node:async_hooks'
import { storeOfTimer } from '../platform/active-resources.js'
import { createSlot } from '../slot.js'
import type { Owner } from './owner.js'
import type { Trace } from './trace.js'

/** The owner of the sockets that the running code opens, and the call that it is in. */
export interface Context {
  readonly owner: Owner | undefined
  /** The call of a function of portside that is in progress. */
  readonly call: Call | undefined
}

/** A call of a function of portside. */
export interface Call {
  /** The lines that led to it. Undefined when it is over. */
  lines: Trace | undefined
}

/** The context of the code that runs. Every promise, timer and handle that this code makes inherits it. */
export interface ContextStore {
  now(): Context | undefined
  run<T>(context: Context | undefined, action: () => T): T
  /** From here on, the calling code and what it makes have this context. */
  enter(context: Context | undefined): void
  /** The context of the code that set a timer. */
  ofTimer(timer: object): Context | undefined
}

export function createContextStore(): ContextStore {
  const storage = new AsyncLocalStorage<Context | undefined>()
  return 'kResourceStore' in storage ? new HookStore() : new FrameStore(storage)
}

/** For Node 24 and later, where a store costs a promise nothing. */
class FrameStore implements ContextStore {
  readonly #storage: AsyncLocalStorage<Context | undefined>
  constructor(storage: AsyncLocalStorage<Context | undefined>) {
    this.#storage = storage
  }
  now(): Context | undefined {
    return this.#storage.getStore()
  }
  run<T>(context: Context | undefined, action: () => T): T {
    return this.#storage.run(context, action)
  }
  enter(context: Context | undefined): void {
    this.#storage.enterWith(context)
  }
  ofTimer(timer: object): Context | undefined {
    return storeOfTimer(timer, this.#storage)
  }
}

/**
 * For earlier versions of Node, where an AsyncLocalStorage writes its store into a field of each promise, timer and handle. A runner prints
 * that field in the diff of a failed test, so this uses a private field instead.
 */
class HookStore implements ContextStore {
  readonly #contexts = createSlot<Context | undefined>()
  readonly #hook: ReturnType<typeof createHook>
  #isOn = false

  constructor() {
    const { get, set } = this.#contexts
    const init = (_id: number, _type: string, _trigger: number, resource: object): void => {
      const context = get(executionAsyncResource())
      if (context !== undefined) set(resource, context)
    }
    this.#hook = createHook({ init })
  }
  now(): Context | undefined {
    return this.#contexts.get(executionAsyncResource())
  }
  run<T>(context: Context | undefined, action: () => T): T {
    const resource = executionAsyncResource()
    const before = this.#contexts.get(resource)
    this.enter(context)
    try {
      return action()
    } finally {
      this.#contexts.set(resource, before)
    }
  }
  enter(context: Context | undefined): void {
    // Not before the first context: promises cost more from then on.
    if (context !== undefined && !this.#isOn) {
      this.#isOn = true
      this.#hook.enable()
    }
    this.#contexts.set(executionAsyncResource(), context)
  }
  ofTimer(timer: object): Context | undefined {
    return this.#contexts.get(timer)
  }
}
