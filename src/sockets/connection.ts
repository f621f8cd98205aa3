import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import type net from 'node:net'
import type tls from 'node:tls'
import { now } from '../timers.js'
import { type ConnectionTuple, connectionTuple } from './tuple.js'

/**
 * The state of a connection when a drain began.
 *
 * @see `docs/sockets.md#the-report`
 */
export type ConnectionState =
  | 'new'
  | 'head'
  | 'active'
  | 'streaming'
  | 'idle'
  | 'upgraded'
  | 'tls-handshake'
  | 'http2'
  | 'raw'

/** The part of a connection's protocol that a drain must know. */
export interface Protocol {
  state(): ConnectionState
  /** The request line in flight, if a request is in flight. */
  request(): string | undefined
  /** True while a FIN would cut off data that the peer waits for. */
  busy(): boolean
  /** Lets no new request begin; calls `changed` whenever `busy()` may have become false. */
  quiesce(changed: () => void): void
  /** True if a user's drain hook may write to the socket without breaking its protocol. */
  readonly hookable: boolean
  /** True once no request can be answered any more, so no handler is called for it. */
  over?(): boolean
  /** Destroys a session on top of the socket that would outlive it. */
  abandon?(): void
  /** An HTTP/1 request has begun; `emit` calls its handler. */
  beginExchange?(request: IncomingMessage, response: ServerResponse, emit: () => boolean): boolean
  /** An HTTP/2 stream has begun. */
  beginStream?(stream: ServerHttp2Stream, headers: Record<string, unknown>): void
  /** The peer sent bytes that the parser cannot understand. */
  fail?(): void
}

/** One tracked connection of any protocol: a client socket or an accepted socket. A TLS connection counts once. */
export class Connection {
  readonly since = now()
  protocol: Protocol
  /** The socket on top of the raw one, from the end of the TLS handshake on. */
  secure: tls.TLSSocket | undefined
  /** The first error of the socket. portside's listener keeps it from ending the process, so it is recorded. */
  error: Error | undefined
  closed = false
  /** Sockets of this connection that have not emitted 'close'. */
  #open = 1
  #tuple: ConnectionTuple | undefined
  #whenClosed: Array<() => void> | undefined
  #changed: (() => void) | undefined
  /** The servers that got this connection. Each has set its protocol. */
  servers: readonly object[] = NONE

  constructor(
    /** The transport. For an accepted TLS connection this is the raw socket, because only that can be reset. */
    readonly socket: net.Socket,
    readonly accepted: boolean,
    protocol: (connection: Connection) => Protocol = () => new RawProtocol('raw'),
  ) {
    this.protocol = protocol(this)
    this.#follow(socket)
  }

  /** The socket that carries the user's bytes. */
  get stream(): net.Socket {
    return this.secure ?? this.socket
  }

  get tuple(): ConnectionTuple {
    if (this.#tuple === undefined || this.#tuple.local === '') this.#tuple = connectionTuple(this.socket)
    return this.#tuple
  }

  secured(socket: tls.TLSSocket): void {
    this.secure = socket
    this.#open++
    this.#follow(socket)
  }

  /** The connection changes its protocol: after a handshake, an upgrade or a CONNECT. */
  become(protocol: Protocol): void {
    this.protocol = protocol
    if (this.#changed === undefined) return
    protocol.quiesce(this.#changed)
    this.#changed()
  }

  /** Lets no new request begin; calls `changed` whenever the connection may have come to rest. */
  quiesce(changed: () => void): void {
    this.#changed = changed
    this.protocol.quiesce(changed)
  }

  whenClosed(callback: () => void): void {
    if (this.closed) callback()
    else if (this.#whenClosed === undefined) this.#whenClosed = [callback]
    else this.#whenClosed.push(callback)
  }

  #follow(socket: net.Socket): void {
    // A server socket without a listener for 'error' turns a peer's reset into an uncaught exception.
    socket.on('error', (error) => {
      this.error ??= error
    })
    socket.once('close', () => this.#settle())
  }

  #settle(): void {
    // The raw and the secure socket close in either order. The connection is closed when both are.
    if (--this.#open > 0) return
    this.closed = true
    for (const callback of this.#whenClosed ?? []) callback()
    this.#whenClosed = undefined
  }
}

const NONE: readonly object[] = []

/** A protocol that portside does not know: a plain TCP or unix connection, a tunnel, a WebSocket. */
export class RawProtocol implements Protocol {
  readonly hookable = true
  readonly #state: 'raw' | 'upgraded'
  readonly #request: string | undefined
  constructor(state: 'raw' | 'upgraded', request?: string) {
    this.#state = state
    this.#request = request
  }
  state(): ConnectionState {
    return this.#state
  }
  request(): string | undefined {
    return this.#request
  }
  busy(): boolean {
    return false
  }
  quiesce(): void {}
}
