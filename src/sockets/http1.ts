import type { IncomingMessage, ServerResponse } from 'node:http'
import { nextTick } from '../timers.js'
import type { Connection, ConnectionState, Protocol } from './connection.js'

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** We asked this response to say `Connection: close`. */
  last: boolean
}

/** An HTTP/1 connection of a server: which requests are in flight, and how it winds down. */
export class Http1Protocol implements Protocol {
  readonly hookable = false
  readonly #connection: Connection
  /** Oldest first; several where the client pipelines. */
  readonly #exchanges: Exchange[] = []
  /** Bytes that belonged to requests which are done; more than that is the head of the next one. */
  #bytesDone = 0
  #served = false
  #broken = false
  #changed: (() => void) | undefined

  constructor(connection: Connection) {
    this.#connection = connection
  }

  state(): ConnectionState {
    const oldest = this.#exchanges[0]
    if (oldest !== undefined) return oldest.response.headersSent ? 'streaming' : 'active'
    if (!this.#broken && this.#connection.stream.bytesRead > this.#bytesDone) return 'head'
    return this.#served ? 'idle' : 'new'
  }

  request(): string | undefined {
    const oldest = this.#exchanges[0]?.request
    return oldest && `${oldest.method} ${oldest.url}`
  }

  /** A request is in flight from its first byte on. */
  busy(): boolean {
    const state = this.state()
    return state !== 'idle' && state !== 'new'
  }

  beginExchange(request: IncomingMessage, response: ServerResponse, emit: () => boolean): boolean {
    const exchange = { request, response, last: false }
    this.#exchanges.push(exchange)
    this.#served = true
    response.once('close', () => this.#end(exchange))
    if (this.#changed === undefined) return emit()
    this.#announceClose()
    // The handler may end its response within the call. By the next tick the parser has come to the end of what it has
    // read, and every request behind this one is known.
    nextTick(emit)
    return true
  }

  /** The parser gave up on the peer's bytes: what came so far is no request and will not be one. */
  fail(): void {
    this.#broken = true
    this.#changed?.()
  }

  quiesce(changed: () => void): void {
    this.#changed = changed
    this.#announceClose()
  }

  /**
   * `Connection: close` on the newest response only. On an earlier one it would end the connection before the
   * pipelined responses behind it are written.
   */
  #announceClose(): void {
    for (const exchange of this.#exchanges) {
      const { response } = exchange
      if (response.headersSent) continue
      if (exchange === this.#exchanges.at(-1)) {
        exchange.last ||= response.shouldKeepAlive
        response.shouldKeepAlive = false
      } else if (exchange.last) {
        exchange.last = false
        response.shouldKeepAlive = true
      }
    }
  }

  #end(exchange: Exchange): void {
    const index = this.#exchanges.indexOf(exchange)
    if (index >= 0) this.#exchanges.splice(index, 1)
    const done = (): void => {
      this.#bytesDone = this.#connection.stream.bytesRead
      this.#changed?.()
    }
    // A handler may answer before the request's body is in; the rest of the body is still the old request.
    if (exchange.request.complete || exchange.request.destroyed) done()
    else exchange.request.once('close', done)
  }
}
