import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { ConnectionState, Protocol } from './connection.js'

/** An HTTP/2 connection of a server. GOAWAY ends it once its streams are done (RFC 9113 §6.8). */
export class Http2Protocol implements Protocol {
  readonly hookable = false
  readonly #session: ServerHttp2Session
  readonly #streams = new Map<ServerHttp2Stream, string>()

  constructor(session: ServerHttp2Session) {
    this.#session = session
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
    if (!this.#session.closed) this.#session.close()
  }

  abandon(): void {
    this.#session.destroy()
  }
}
