import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import type net from 'node:net'
import type tls from 'node:tls'
import { now } from '../timers.js'
import { type ConnectionTuple, connectionTuple } from './tuple.js'

/** What a connection was doing when a drain began. */
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

/** What the bytes of a connection mean, as far as a drain must know. */
export interface Protocol {
  state(): ConnectionState
  /** The request line in flight, if there is one. */
  request(): string | undefined
  /** True while the peer is owed something that a FIN would take away from it. */
  busy(): boolean
  /** Lets nothing new begin; calls `changed` whenever `busy()` may have become false. */
  quiesce(changed: () => void): void
  /** Whether a user's drain hook may write to the socket without breaking a protocol. */
  readonly hookable: boolean
  /** True once nothing that the peer sends can be answered any more: no handler is called for it. */
  over?(): boolean
  /** Ends what sits on top of the socket and would outlive it. */
  abandon?(): void
  /** An HTTP/1 request has begun; `emit` tells its handler. */
  beginExchange?(request: IncomingMessage, response: ServerResponse, emit: () => boolean): boolean
  /** An HTTP/2 stream has begun. */
  beginStream?(stream: ServerHttp2Stream, headers: Record<string, unknown>): void
  /** What the peer sent cannot be understood, and nothing it sends will be. */
  fail?(): void
}

/** One tracked connection: a client socket, or an accepted one, of any protocol. Counted once, TLS included. */
export class Connection {
  readonly since = now()
  protocol: Protocol
  /** The socket on top of the raw one, from the end of the TLS handshake on. */
  secure: tls.TLSSocket | undefined
  /** The first error of the socket. Recorded, because our listener keeps it from ending the process. */
  error: Error | undefined
  closed = false
  /** Sockets of this connection that have not emitted 'close'. */
  #open = 1
  #tuple: ConnectionTuple | undefined
  #whenClosed: Array<() => void> | undefined
  #changed: (() => void) | undefined
  /** Servers that it was given to, each of which has made its protocol of it. */
  servers: readonly object[] = NONE

  constructor(
    /** The transport. Of an accepted TLS connection it is the raw socket: only that can be reset. */
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

  /** From here on the bytes mean something else: after a handshake, an upgrade, a CONNECT. */
  become(protocol: Protocol): void {
    this.protocol = protocol
    if (this.#changed === undefined) return
    protocol.quiesce(this.#changed)
    this.#changed()
  }

  /** Lets nothing new begin; calls `changed` whenever the connection may have come to rest. */
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
    // The raw and the secure socket close in either order. Only after both has everybody heard of it.
    if (--this.#open > 0) return
    this.closed = true
    for (const callback of this.#whenClosed ?? []) callback()
    this.#whenClosed = undefined
  }
}

const NONE: readonly object[] = []

/** Bytes of which we know nothing: a plain TCP or unix connection, a tunnel, a WebSocket. */
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
