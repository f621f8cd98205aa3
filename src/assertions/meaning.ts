import { isOfMissingFamily, type SocketFailure } from './socket-failure.js'

/**
 * What EADDRINUSE and EADDRNOTAVAIL mean: each has two causes, which the rest of the error tells apart. Node gives a port
 * to an error only if one was asked for.
 *
 * | call | conflict, or missing address | exhaustion |
 * |---|---|---|
 * | listen, bind | EADDRINUSE with a port or a path; EADDRNOTAVAIL | EADDRINUSE without a port |
 * | connect | EADDRINUSE of `bind`, where a localPort was asked for; EADDRNOTAVAIL of `bind`, for a localAddress | EADDRNOTAVAIL of `connect`; EADDRINUSE of `connect`, with a localAddress |
 */
export function isExhaustion(failure: SocketFailure): boolean {
  const { code, syscall, address, port, path } = failure
  if (path !== undefined) return false
  // Of a datagram socket that the kernel was to bind (connect(2)).
  if (code === 'EAGAIN') return syscall === 'connect'
  if (code === 'EADDRNOTAVAIL') return syscall === 'connect' && !isOfMissingFamily(failure)
  if (code !== 'EADDRINUSE') return false
  return syscall === 'connect' || (BINDING.has(syscall) && address !== undefined && !port)
}

const BINDING: ReadonlySet<string | undefined> = new Set(['listen', 'bind'])

/** A binding that fails, of whatever socket; the rest is about connecting or about a connection. */
export const isOfBinding = ({ syscall }: SocketFailure): boolean => BINDING.has(syscall)

const TIMEOUTS: ReadonlySet<string> = new Set([
  'ETIMEDOUT',
  'ESOCKETTIMEDOUT',
  'ERR_SOCKET_CONNECTION_TIMEOUT',
  'ERR_PORTSIDE_CONNECT_TIMEOUT',
  'ERR_TLS_HANDSHAKE_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'TIMEOUT',
])

/** That no answer came in time, says the kernel or the client that waited for it. */
export function isTimeout({ code, message }: SocketFailure): boolean {
  // What axios says, unless told otherwise (transitional.clarifyTimeoutError).
  return TIMEOUTS.has(code) || (code === 'ECONNABORTED' && /\btime-?out\b/i.test(message))
}
