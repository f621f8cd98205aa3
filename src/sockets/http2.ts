import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import { turn } from '../timers.js'
import type { Connection, ConnectionState, Protocol } from './connection.js'

/** Of a client: the highest that is odd. */
const LAST_STREAM = 2 ** 31 - 1

const NO_ERROR = 0

/**
 * An HTTP/2 connection of a server. What the client had sent when it answers a PING is here: that is finished, and a GOAWAY
 * refuses the rest (RFC 9113 §6.8). A first GOAWAY ahead of the PING is not possible: behind it Node stops to read.
 */
export class Http2Protocol implements Protocol {
  readonly hookable = false
  readonly #connection: Connection
  readonly #session: ServerHttp2Session
  readonly #streams = new Map<ServerHttp2Stream, string>()
  /** The client's first frame, which it owes before all others (RFC 9113 §3.4). */
  #greeted = false
  #ending = false
  #closing = false

  constructor(connection: Connection, session: ServerHttp2Session) {
    this.#connection = connection
    this.#session = session
    session.once('remoteSettings', () => {
      this.#greeted = true
      if (this.#ending) this.#closeBehindPing()
    })
  }

  state(): ConnectionState {
    return 'http2'
  }

  request(): string | undefined {
    return this.#streams.values().next().value
  }

  /** The session ends its socket by itself once it is closed. */
  busy(): boolean {
    return !this.#session.destroyed
  }

  beginStream(stream: ServerHttp2Stream, headers: Record<string, unknown>): void {
    this.#streams.set(stream, `${headers[':method']} ${headers[':path'] ?? headers[':authority']}`)
    stream.once('close', () => this.#streams.delete(stream))
  }

  quiesce(changed: () => void): void {
    this.#session.once('close', changed)
    if (this.#ending) return
    this.#ending = true
    if (this.#greeted) this.#closeBehindPing()
    // A client that has sent nothing is owed nothing. Over TLS it has asked for HTTP/2, and its first frame is under way.
    else if (this.#connection.secure === undefined && this.#connection.socket.bytesRead === 0) void this.#close()
  }

  abandon(): void {
    this.#session.destroy()
  }

  #closeBehindPing(): void {
    if (this.#session.destroyed || this.#session.closed) return
    // A client that has ended its half answers no PING.
    this.#connection.stream.once('end', () => void this.#close())
    // False: too many PINGs of the user's own are unanswered.
    if (!this.#session.ping(() => void this.#close())) void this.#close()
  }

  /**
   * By two GOAWAYs (RFC 9113 §6.8): one that refuses nothing, and the session's own, once nghttp2 has sent the first and
   * lets no request begin. Node 20 writes into freed memory when a request comes in between `close()` and its GOAWAY.
   */
  async #close(): Promise<void> {
    if (this.#closing || this.#session.closed || this.#session.destroyed) return
    this.#closing = true
    this.#session.goaway(NO_ERROR, LAST_STREAM)
    // Node sends in the check phase ahead of what this waits for, or when a write that is under way has ended.
    await turn()
    if (!this.#session.closed) this.#session.close()
  }
}
