import { AsyncLocalStorage, createHook, executionAsyncResource } from 'node:async_hooks'
import { storeOfTimer } from '../platform/active-resources.js'
import { createSlot } from '../slot.js'
import type { Owner } from './owner.js'

/** The owner of the code that runs. Every promise, timer and handle that this code makes inherits it. */
export interface OwnerStore {
  now(): Owner | undefined
  run<T>(owner: Owner | undefined, action: () => T): T
  /** The owner of the code that set a timer. */
  ofTimer(timer: object): Owner | undefined
}

export function createOwnerStore(): OwnerStore {
  const storage = new AsyncLocalStorage<Owner | undefined>()
  return 'kResourceStore' in storage ? new HookStore() : new FrameStore(storage)
}

/** For Node 24 and later, where a store costs a promise nothing. */
class FrameStore implements OwnerStore {
  readonly #storage: AsyncLocalStorage<Owner | undefined>
  constructor(storage: AsyncLocalStorage<Owner | undefined>) {
    this.#storage = storage
  }
  now(): Owner | undefined {
    return this.#storage.getStore()
  }
  run<T>(owner: Owner | undefined, action: () => T): T {
    return this.#storage.run(owner, action)
  }
  ofTimer(timer: object): Owner | undefined {
    return storeOfTimer(timer, this.#storage)
  }
}

/**
 * For earlier versions of Node, where an AsyncLocalStorage writes its store into a field of each promise, timer and handle. A runner prints
 * that field in the diff of a failed test, so this uses a private field instead.
 */
class HookStore implements OwnerStore {
  readonly #owners = createSlot<Owner | undefined>()
  readonly #hook: ReturnType<typeof createHook>
  #isOn = false

  constructor() {
    const { get, set } = this.#owners
    const init = (_id: number, _type: string, _trigger: number, resource: object): void => {
      const owner = get(executionAsyncResource())
      if (owner !== undefined) set(resource, owner)
    }
    this.#hook = createHook({ init })
  }
  now(): Owner | undefined {
    return this.#owners.get(executionAsyncResource())
  }
  run<T>(owner: Owner | undefined, action: () => T): T {
    // Not before the first owner: promises cost more from then on.
    if (owner !== undefined && !this.#isOn) {
      this.#isOn = true
      this.#hook.enable()
    }
    const resource = executionAsyncResource()
    const before = this.#owners.get(resource)
    this.#owners.set(resource, owner)
    try {
      return action()
    } finally {
      this.#owners.set(resource, before)
    }
  }
  ofTimer(timer: object): Owner | undefined {
    return this.#owners.get(timer)
  }
}
