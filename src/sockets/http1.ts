import type { IncomingMessage, ServerResponse } from 'node:http'
import type net from 'node:net'
import { endsConnection, parserOf, parsersAtRest } from '../platform/node-internals.js'
import { patch } from '../platform/patches.js'
import { runtime } from '../platform/runtime.js'
import { nextTick } from '../timers.js'
import type { Connection, ConnectionState, Protocol } from './connection.js'
import { finish } from './finish.js'

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** portside has made this response say `Connection: close`. */
  last: boolean
  /** portside looks at it again at the end of its request's body. */
  watched: boolean
}

/** An HTTP/1 connection of a server: its requests in flight, and how it winds down. */
export class Http1Protocol implements Protocol {
  readonly hookable = false
  readonly #connection: Connection
  readonly #server: net.Server
  /** Oldest first; several if the client pipelines. */
  readonly #exchanges: Exchange[] = []
  /** Bytes read when the last request was complete, for servers that do not list their parsers. */
  #bytesDone = 0
  #served = false
  #broken = false
  #lingers = false
  #changed: (() => void) | undefined

  constructor(connection: Connection, server: net.Server) {
    this.#connection = connection
    this.#server = server
  }

  state(): ConnectionState {
    const oldest = this.#exchanges[0]
    if (oldest !== undefined) return oldest.response.headersSent ? 'streaming' : 'active'
    if (!this.#broken && this.#hasBegun()) return 'head'
    return this.#served ? 'idle' : 'new'
  }

  request(): string | undefined {
    const oldest = this.#exchanges[0]?.request
    return oldest && `${oldest.method} ${oldest.url}`
  }

  /** A request is in flight from its first byte. */
  busy(): boolean {
    return this.#exchanges.length > 0 || (!this.over() && this.state() === 'head')
  }

  /** The last response has begun, so no later request can be answered. */
  over(): boolean {
    if (this.#changed === undefined) return false
    const newest = this.#exchanges.at(-1)
    return this.#connection.stream.writableEnded || (newest !== undefined && endsConnection(newest.response))
  }

  beginExchange(request: IncomingMessage, response: ServerResponse, emit: () => boolean): boolean {
    const exchange = { request, response, last: false, watched: false }
    this.#exchanges.push(exchange)
    this.#served = true
    response.once('close', () => this.#end(exchange))
    if (this.#changed === undefined) return emit()
    this.#announceClose()
    // The handler may end its response within the call. At the next tick the parser has parsed everything it has read, and every
    // pipelined request is known.
    nextTick(emit)
    return true
  }

  /** The parser rejected the peer's bytes, so no request is in flight. */
  fail(): void {
    this.#broken = true
    this.#changed?.()
  }

  quiesce(changed: () => void): void {
    this.#changed = changed
    this.#announceClose()
  }

  /** Part of a request has been read, but not its end. */
  #hasBegun(): boolean {
    const { stream } = this.#connection
    return stream.bytesRead > 0 && (this.#parses() ?? stream.bytesRead > this.#bytesDone)
  }

  /** True if the parser is within a message. Undefined if Node does not say. */
  #parses(): boolean | undefined {
    const parser = parserOf(this.#connection.stream)
    const atRest = parser == null ? undefined : restingParsers(this.#server)
    return atRest && !atRest.has(parser)
  }

  /**
   * Sets `Connection: close` on the newest response only. On an earlier response it would close the connection before the pipelined
   * responses behind it are written. The newest does not get it while part of another request has arrived.
   */
  #announceClose(): void {
    const newest = this.#exchanges.at(-1)
    if (newest !== undefined) this.#linger()
    // The body may end in the same chunk in which the next head begins. Prepended, because the handler may answer at 'end'.
    if (newest?.request.complete === false && !newest.watched) {
      newest.watched = true
      newest.request.prependOnceListener('end', () => this.#announceClose())
    }
    const isLast = newest !== undefined && !(newest.request.complete && this.#parses() === true)
    for (const exchange of this.#exchanges) {
      const { response } = exchange
      if (response.headersSent) continue
      if (exchange === newest && isLast) {
        exchange.last ||= response.shouldKeepAlive
        response.shouldKeepAlive = false
      } else if (exchange.last) {
        exchange.last = false
        response.shouldKeepAlive = true
      }
    }
  }

  /** Node destroys the socket after the last response. The kernel would then answer later bytes of the peer with a reset. */
  #linger(): void {
    if (this.#lingers) return
    this.#lingers = true
    patch(
      this.#connection.stream,
      'destroySoon',
      () => () => {
        for (const { request } of this.#exchanges) request.resume()
        // Bun ends the connection itself behind the response. An end() from here would drop the response, which is not written yet.
        if (runtime() !== 'Bun') finish(this.#connection)
      },
      'a reset takes from the peer what it has not read yet (RFC 9112 §9.6)',
    )
  }

  #end(exchange: Exchange): void {
    const index = this.#exchanges.indexOf(exchange)
    if (index >= 0) this.#exchanges.splice(index, 1)
    const done = (): void => {
      this.#bytesDone = this.#connection.stream.bytesRead
      this.#changed?.()
    }
    // A handler may answer before the body is complete. The rest of the body still belongs to the old request.
    if (exchange.request.complete || exchange.request.destroyed) done()
    else exchange.request.once('close', done)
  }
}

/** Listed once per tick, because a drain looks at each connection of the server. */
function restingParsers(server: net.Server): ReadonlySet<unknown> | undefined {
  if (!resting.has(server)) {
    if (resting.size === 0) nextTick(() => resting.clear())
    resting.set(server, parsersAtRest(server))
  }
  return resting.get(server)
}

const resting = new Map<net.Server, ReadonlySet<unknown> | undefined>()
