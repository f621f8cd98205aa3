import type net from 'node:net'
import { isHttpServer, isTlsServer } from '../platform/node-objects.js'
import { type Connection, type ConnectionState, type Protocol, RawProtocol } from './connection.js'
import { Http1Protocol } from './http1.js'

export type Protocols = Record<'plain' | 'secure', (connection: Connection) => Protocol>

/** The protocols of a server's connections. */
export function protocolsOf(server: net.Server): Protocols {
  const http1 = (connection: Connection): Protocol => new Http1Protocol(connection, server)
  const secure = isHttpServer(server) ? http1 : raw
  return { secure, plain: isTlsServer(server) ? handshake : secure }
}

export const raw = (): Protocol => new RawProtocol('raw')
const handshake = (connection: Connection): Protocol => new HandshakeProtocol(connection)

/** A TLS handshake that the peer has not begun, or that is in progress (RFC 8446 §2). */
class HandshakeProtocol implements Protocol {
  readonly hookable = false
  readonly #connection: Connection
  constructor(connection: Connection) {
    this.#connection = connection
  }
  state(): ConnectionState {
    return 'tls-handshake'
  }
  request(): undefined {}
  busy(): boolean {
    return this.#connection.socket.bytesRead > 0
  }
  quiesce(): void {}
}
