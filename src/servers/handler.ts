import { invalidArgument, portsideError } from '../errors.js'
import { thrownText } from '../thrown-text.js'

/**
 * Collects the errors of a user's handler. Without this, an error would end the process or leave the client waiting. Instead the
 * client gets an answer immediately, and `close()` rejects with the error.
 */
export class HandlerErrors {
  readonly #errors: unknown[] = []

  /** Wraps a handler; `abandon` answers the client that waits for it. */
  guard<This, Args extends unknown[]>(
    handler: (this: This, ...args: Args) => unknown,
    abandon: (error: unknown, ...args: Args) => void,
  ): (this: This, ...args: Args) => void {
    const { fail } = this
    return function (this: This, ...args: Args): void {
      try {
        const result = handler.apply(this, args) as PromiseLike<unknown> | undefined
        if (typeof result?.then === 'function')
          result.then(undefined, (error) => fail(error, () => abandon(error, ...args)))
      } catch (error) {
        fail(error, () => abandon(error, ...args))
      }
    }
  }

  get any(): boolean {
    return this.#errors.length > 0
  }

  /** Throws ERR_PORTSIDE_HANDLER with the first error as its cause. */
  rethrow(endpoint: string): never {
    const [first] = this.#errors
    const said = thrownText(first)
    const count = this.#errors.length
    const error = portsideError('ERR_PORTSIDE_HANDLER', {
      headline: `The handler of the server on ${endpoint} threw${count === 1 ? '' : ` ${count} errors, the first`}: ${said}`,
      next: 'see .cause for where it threw; the connection and the server are closed',
      cause: first,
    })
    throw Object.assign(error, { errors: this.#errors })
  }

  readonly fail = (error: unknown, abandon: () => void): void => {
    this.#errors.push(error)
    abandon()
  }
}

/** The handler, or the fallback if it is undefined. Throws for anything else, before anything is bound. */
export function handlerOr<F>(handler: F | undefined, fallback: F): F {
  if (handler === undefined) return fallback
  if (typeof handler === 'function') return handler
  throw invalidArgument(
    'ERR_INVALID_ARG_TYPE',
    'handler',
    'a function (options go second), or undefined to echo',
    handler,
  )
}
