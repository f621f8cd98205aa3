import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import { turn } from '../timers.js'
import type { Connection, ConnectionState, Protocol } from './connection.js'

/** The highest odd stream number. Streams of a client have odd numbers. */
const LAST_STREAM = 2 ** 31 - 1

const NO_ERROR = 0

/**
 * An HTTP/2 connection of a server. When the client answers a PING, everything it sent before has arrived. Those requests are
 * finished, and a GOAWAY refuses the rest (RFC 9113 §6.8). A GOAWAY before the PING is not possible, because Node stops reading
 * after it.
 */
export class Http2Protocol implements Protocol {
  readonly hookable = false
  readonly #connection: Connection
  readonly #session: ServerHttp2Session
  readonly #streams = new Map<ServerHttp2Stream, string>()
  /** The client's SETTINGS have arrived, which it sends before all other frames (RFC 9113 §3.4). */
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

  /** The session closes its socket itself once it is closed. */
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
    // Nothing is in flight if the client has sent nothing. Over TLS it has asked for HTTP/2, and its first frame is on the way.
    else if (this.#connection.secure === undefined && this.#connection.socket.bytesRead === 0) void this.#close()
  }

  abandon(): void {
    this.#session.destroy()
  }

  #closeBehindPing(): void {
    if (this.#session.destroyed || this.#session.closed) return
    // A client that has ended its half does not answer a PING.
    this.#connection.stream.once('end', () => void this.#close())
    // False: too many of the user's own PINGs are unanswered.
    if (!this.#session.ping(() => void this.#close())) void this.#close()
  }

  /**
   * Sends two GOAWAYs (RFC 9113 §6.8). The first refuses nothing. The session's own follows once nghttp2 has sent the first and lets
   * no request begin. Node 20 writes into freed memory if a request arrives between `close()` and its GOAWAY.
   */
  async #close(): Promise<void> {
    if (this.#closing || this.#session.closed || this.#session.destroyed) return
    this.#closing = true
    this.#session.goaway(NO_ERROR, LAST_STREAM)
    // Node sends the GOAWAY in the check phase, before this turn ends, or when a pending write completes.
    await turn()
    if (!this.#session.closed) this.#session.close()
  }
}
