import { abortError } from '../errors.js'
import type { Endpoint } from '../loopback/endpoint.js'
import { milliseconds } from '../numbers.js'
import { onAbort, refuseAborted } from '../signals.js'
import { whenOverdue } from '../timers.js'
import {
  type Done,
  type Emitter,
  type FirstEnd,
  isEmitter,
  isThenable,
  isUnderWay,
  type Phase,
  silence,
  stillDoing,
  watchEmitter,
} from './emitter.js'
import { closeOpened, closeSuccess, type Success } from './success.js'

/** The result of an action: an error, a success, or neither. */
export type Ending =
  | { readonly error: unknown }
  | { readonly success: Success }
  | { readonly nothing: string; readonly endpoint?: Endpoint | undefined }

/** Options of the assertions on an action. */
export interface ActionOptions {
  /**
   * Milliseconds to wait for the action before the assertion fails.
   * @default 10_000
   */
  timeout?: number
  /** Aborts the wait: the assertion rejects with ABORT_ERR. */
  signal?: AbortSignal
}

/**
 * Waits for an action to end: a promise, a function, an emitter (a server about to listen, a socket about to connect, a
 * request, a database client), or an error. A success is closed. Rejects with ABORT_ERR, with ERR_INVALID_ARG_TYPE or
 * ERR_OUT_OF_RANGE for invalid options, or with the error of `read`, which returns the options. The action then continues,
 * and its later errors are swallowed.
 */
export async function endingOf(action: unknown, phase: Phase, read: () => ActionOptions = () => ({})): Promise<Ending> {
  // Called once: a query builder queries its database at each `then()`.
  const promise = isThenable(action) ? Promise.resolve(action) : undefined
  promise?.catch(() => {})
  let options: ActionOptions
  try {
    options = read()
    checkActionOptions(options)
  } catch (error) {
    if (promise === undefined) silence(action)
    throw error
  }
  const ending = await new Wait(phase, options).end(action, promise)
  return 'opened' in ending ? { success: await closeSuccess(ending) } : ending
}

const DEFAULT_TIMEOUT = 10_000
const ASKED = 'wait for the outcome of the action'

function checkActionOptions(options: ActionOptions): void {
  const { timeout = DEFAULT_TIMEOUT, signal } = options
  milliseconds('timeout', timeout, 1)
  refuseAborted(signal, ASKED)
}

/** Waits for one action, and settles once. */
class Wait {
  readonly #phase: Phase
  readonly #options: ActionOptions
  #emitter: Emitter | undefined
  #unwatch: (() => void) | undefined
  /** A function began it. Only portside holds what it opens, so what it opens after the end is closed too. */
  #owned = false
  #over = false

  constructor(phase: Phase, options: ActionOptions) {
    this.#phase = phase
    this.#options = options
  }

  end(action: unknown, promise: Promise<unknown> | undefined): Promise<FirstEnd> {
    const { timeout = DEFAULT_TIMEOUT, signal } = this.#options
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        this.#over = true
        cancel()
        forget()
        this.#unwatch?.()
      }
      const done: Done = async (end) => {
        if (this.#over) return
        finish()
        if (this.#owned && 'open' in end) await closeOpened(this.#emitter)
        resolve(end)
      }
      const giveUp = async (): Promise<void> => {
        silence(this.#emitter)
        finish()
        if (this.#owned) await closeOpened(this.#emitter)
      }
      const expired = async (): Promise<void> => {
        const end = stillDoing(this.#emitter ?? action, timeout)
        await giveUp()
        resolve(end)
      }
      const aborted = async (): Promise<void> => {
        await giveUp()
        reject(abortError(signal as AbortSignal, ASKED))
      }
      const cancel = whenOverdue(timeout, () => void expired())
      const forget = onAbort(signal, aborted)
      if (promise !== undefined) this.#await(promise, done)
      else if (typeof action === 'function') this.#call(action as () => unknown, done)
      else if (isEmitter(action)) this.#watch(action, done)
      // An error, or a value that the assertion reports as not an error.
      else done({ error: action })
      // It had ended before the listeners were added.
      if (this.#over) this.#unwatch?.()
    })
  }

  #call(action: () => unknown, done: Done): void {
    this.#owned = true
    let result: unknown
    try {
      result = action()
    } catch (error) {
      return void done({ error })
    }
    if (isThenable(result)) this.#await(Promise.resolve(result), done)
    else if (isEmitter(result)) this.#watch(result, done)
    else done({ opened: result })
  }

  #await(promise: Promise<unknown>, done: Done): void {
    promise.then(
      (value) => {
        if (this.#over) return void (this.#owned && closeOpened(value))
        if (isEmitter(value) && isUnderWay(value, this.#phase)) this.#watch(value, done)
        else done({ opened: value })
      },
      (error) => done({ error }),
    )
  }

  #watch(emitter: Emitter, done: Done): void {
    this.#emitter = emitter
    try {
      this.#unwatch = watchEmitter(emitter, this.#phase, done)
    } catch {
      // `on()` throws, so it is not an emitter.
      this.#emitter = undefined
      done({ error: emitter })
    }
  }
}
