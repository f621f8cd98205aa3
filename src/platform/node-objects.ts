import type dgram from 'node:dgram'
import type http from 'node:http'
import type http2 from 'node:http2'
import type net from 'node:net'
import type tls from 'node:tls'
import { handleOf } from './node-internals.js'

// Node's objects are recognized by members that only their kind has. `instanceof` fails for an object of another realm,
// such as a Jest test file. Every guard takes any value and was checked on Node 20, 22, 24 and 26.

export const isServer = (value: unknown): value is net.Server =>
  has(value, 'getConnections', 'listen') && kindOf(value as object, 'listening') === 'boolean'

/** A server, or anything else with `listen()`, such as an Express app. */
export const canListen = (value: unknown): value is { listen(...args: unknown[]): unknown } => has(value, 'listen')

/** The HTTPS server of Bun has only the properties of ALPN. */
export const isTlsServer = (value: unknown): value is tls.Server =>
  has(value, 'setSecureContext') || has(value, 'ALPNCallback', 'closeIdleConnections')

/** Plain and secure. */
export const isHttp2Server = (value: unknown): value is http2.Http2Server => has(value, 'updateSettings')

/** HTTP/1 and HTTP/2, plain and secure. */
export const isHttpServer = (value: unknown): value is http.Server =>
  has(value, 'closeIdleConnections') || isHttp2Server(value)

/** A TCP, TLS or unix socket. Not the socket of an HTTP/2 session, whose methods throw when they are read. */
export const isSocket = (value: unknown): value is net.Socket =>
  has(value, 'setNoDelay', 'connecting') &&
  kindOf(value as object, 'setNoDelay') === 'function' &&
  kindOf(value as object, 'connecting') === 'boolean'

export const isTlsSocket = (value: unknown): value is tls.TLSSocket => isSocket(value) && has(value, 'encrypted')

export const isDatagram = (value: unknown): value is dgram.Socket =>
  has(value, 'bind', 'send') && kindOf(value as object, 'type') === 'string'

export const isAgent = (value: unknown): value is http.Agent => has(value, 'freeSockets', 'sockets')

/** A request that a client makes. */
export const isRequest = (value: unknown): value is http.ClientRequest => has(value, 'reusedSocket')

/** A unix socket, a named pipe, or a pipe to a child process. Only the class of the handle names the transport. */
export const isPipe = (socket: object): boolean => handleOf(socket)?.constructor?.name === 'Pipe'

function has(value: unknown, ...names: readonly string[]): boolean {
  try {
    return typeof value === 'object' && value !== null && names.every((name) => name in value)
  } catch {
    // A proxy that throws.
    return false
  }
}

/** The type of a property. Undefined if it throws when it is read. */
function kindOf(value: object, name: string): string | undefined {
  try {
    return typeof Reflect.get(value, name)
  } catch {
    return undefined
  }
}
