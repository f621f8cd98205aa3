import { calledBy } from '../caller.js'
import { invalidArgument, portsideError } from '../errors.js'
import { dialAddress } from '../loopback/dial-address.js'
import { bracketed, type Endpoint, type Family, formatEndpoint } from '../loopback/endpoint.js'
import { onAbort } from '../signals.js'
import { type Drain, type DrainOptions, readDrainOptions } from '../sockets/drain.js'
import type { DrainReport } from '../sockets/drain-report.js'
import type { HandlerErrors } from './handler.js'

/** The work that remains when the drain is over. */
export interface Teardown {
  readonly handlerErrors?: HandlerErrors
  readonly release?: () => Promise<void>
}

/** The part that listeners and datagram sockets share: their endpoints and their close. */
export abstract class ListeningServer<S> {
  readonly server: S
  readonly endpoints: readonly Endpoint[]
  readonly endpoint: Endpoint
  protected readonly grace: DrainOptions
  readonly #forget: () => void
  readonly #teardown: Teardown
  #drain: Drain | undefined
  #closed: Promise<DrainReport> | undefined
  /** `close()` was called, and its promise reports what went wrong. */
  #told = false

  constructor(
    server: S,
    endpoints: readonly Endpoint[],
    options: { grace?: number; signal?: AbortSignal },
    teardown: Teardown,
  ) {
    this.server = server
    this.endpoints = endpoints
    this.endpoint = endpoints[0] as Endpoint
    this.grace = graceOf(options)
    this.#teardown = teardown
    this.#forget = onAbort(options.signal, this.begin)
    // The signal may have been aborted between the bind and now.
    if (options.signal?.aborted) this.begin()
  }

  get address(): string {
    return this.endpoint.address
  }

  get port(): number {
    return this.endpoint.port
  }

  get family(): Family {
    return this.endpoint.family
  }

  get url(): URL {
    return new URL(`${this.scheme}://${bracketed(dialAddress(this.endpoint))}:${this.port}`)
  }

  close(options: DrainOptions = {}): Promise<DrainReport> {
    let read: DrainOptions
    try {
      read = readDrainOptions(options, 'server.close()')
    } catch (error) {
      return Promise.reject(error)
    }
    this.#told = true
    return this.#close(read)
  }

  /** True once `close()` has been called. */
  get closing(): boolean {
    return this.#told
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // close() has already reported its errors.
    if (this.#told) await this.#close({}).catch(() => {})
    else await this.close()
  }

  protected abstract readonly scheme: string
  protected abstract startDrain(options: DrainOptions): Drain

  protected get where(): string {
    return formatEndpoint(this.endpoint)
  }

  /** The endpoint that a client of this server connects to. */
  protected dialled(family: Family | undefined): Endpoint {
    if (this.#closed !== undefined) {
      throw portsideError('ERR_PORTSIDE_SERVER_CLOSED', {
        headline: `Cannot connect to ${this.where}`,
        because: 'the server is closed, or closing',
        next: 'connect before close() is called',
      })
    }
    const endpoint = this.endpoints.find((endpoint) => family === undefined || endpoint.family === family)
    if (endpoint !== undefined) return endpoint
    throw invalidArgument(
      'ERR_INVALID_ARG_VALUE',
      'family',
      `the family of one of its endpoints (${this.endpoints.map(formatEndpoint).join(', ')})`,
      family,
    )
  }

  /** Closes without a caller. A later close() or disposal reports the errors. */
  protected readonly begin = (): void => {
    this.#close({}).catch(() => {})
  }

  #close(options: DrainOptions): Promise<DrainReport> {
    const merged = { ...this.grace, ...options }
    if (this.#drain === undefined) this.#drain = this.startDrain(merged)
    else this.#drain.shorten(merged)
    const drain = this.#drain
    this.#closed ??= calledBy(this.close, () => this.#end(drain))
    return this.#closed
  }

  async #end(drain: Drain): Promise<DrainReport> {
    const { handlerErrors, release } = this.#teardown
    try {
      return await drain.report
    } finally {
      this.#forget()
      if (release !== undefined) await release()
      if (handlerErrors?.any) handlerErrors.rethrow(this.where)
    }
  }
}

export function graceOf({ grace }: { grace?: number | undefined }): DrainOptions {
  return grace === undefined ? {} : { grace }
}
