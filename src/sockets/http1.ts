import type { IncomingMessage, ServerResponse } from 'node:http'
import type net from 'node:net'
import { endsConnection, parserOf, parsersAtRest } from '../platform/node-internals.js'
import { patch } from '../platform/patches.js'
import { nextTick } from '../timers.js'
import type { Connection, ConnectionState, Protocol } from './connection.js'
import { finish } from './finish.js'

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** We asked this response to say `Connection: close`. */
  last: boolean
  /** We look at it again at the end of its request's body. */
  watched: boolean
}

/** An HTTP/1 connection of a server: which requests are in flight, and how it winds down. */
export class Http1Protocol implements Protocol {
  readonly hookable = false
  readonly #connection: Connection
  readonly #server: net.Server
  /** Oldest first; several where the client pipelines. */
  readonly #exchanges: Exchange[] = []
  /** Bytes read when the last request was done, for a server that does not list its parsers. */
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

  /** A request is in flight from its first byte on. */
  busy(): boolean {
    return this.#exchanges.length > 0 || (!this.over() && this.state() === 'head')
  }

  /** The last response has been begun: nothing that comes from here on can be answered. */
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

  /** Part of a message has been read that is not followed by its end yet. */
  #hasBegun(): boolean {
    const { stream } = this.#connection
    return stream.bytesRead > 0 && (this.#parses() ?? stream.bytesRead > this.#bytesDone)
  }

  /** The parser is within a message. Undefined where Node does not tell. */
  #parses(): boolean | undefined {
    const parser = parserOf(this.#connection.stream)
    const atRest = parser == null ? undefined : restingParsers(this.#server)
    return atRest && !atRest.has(parser)
  }

  /**
   * `Connection: close` on the newest response only. On an earlier one it would end the connection before the
   * pipelined responses behind it are written, and on the newest before one whose request has come in part.
   */
  #announceClose(): void {
    const newest = this.#exchanges.at(-1)
    if (newest !== undefined) this.#linger()
    // Its body may end together with the beginning of the next head. Ahead of the handler, who may answer then.
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

  /** Node destroys the socket behind the last response. Whatever the peer sends later would be answered with a reset. */
  #linger(): void {
    if (this.#lingers) return
    this.#lingers = true
    patch(
      this.#connection.stream,
      'destroySoon',
      () => () => {
        for (const { request } of this.#exchanges) request.resume()
        finish(this.#connection)
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
    // A handler may answer before the request's body is in; the rest of the body is still the old request.
    if (exchange.request.complete || exchange.request.destroyed) done()
    else exchange.request.once('close', done)
  }
}

/** Listed once a tick: a drain looks at each connection of the server. */
function restingParsers(server: net.Server): ReadonlySet<unknown> | undefined {
  if (!resting.has(server)) {
    if (resting.size === 0) nextTick(() => resting.clear())
    resting.set(server, parsersAtRest(server))
  }
  return resting.get(server)
}

const resting = new Map<net.Server, ReadonlySet<unknown> | undefined>()
