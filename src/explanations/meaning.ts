import { WILDCARD } from '../loopback/endpoint.js'
import { countEphemeralPorts } from '../socket-table/ephemeral-ports.js'
import { socketTable } from '../socket-table/socket-table.js'
import { Fields } from './fields.js'
import { isOfMissingFamily, type SocketFailure } from './socket-failure.js'

/**
 * What EADDRINUSE and EADDRNOTAVAIL mean: each has two causes, which the rest of the error tells apart. Node gives a port
 * to an error only if one was asked for.
 *
 * | call | conflict, or missing address | exhaustion |
 * |---|---|---|
 * | listen, bind | EADDRINUSE with a port or a path; EADDRNOTAVAIL | EADDRINUSE without a port |
 * | connect | EADDRINUSE of `bind`, where a localPort was asked for; EADDRNOTAVAIL of `bind`, for a localAddress; EADDRNOTAVAIL of `connect` with a localPort, which has a connection to this peer | EADDRNOTAVAIL of `connect`; EADDRINUSE of `connect`, with a localAddress |
 */
export function isExhaustion(failure: SocketFailure): boolean {
  const { code, syscall, address, port, path } = failure
  if (path !== undefined) return false
  // Of a datagram socket that the kernel was to bind (connect(2)).
  if (code === 'EAGAIN') return syscall === 'connect'
  if (code === 'EADDRNOTAVAIL') return syscall === 'connect' && !isOfMissingFamily(failure) && !hasTakenTuple(failure)
  if (code !== 'EADDRINUSE') return false
  return syscall === 'connect' || (BINDING.has(syscall) && address !== undefined && !port)
}

/**
 * EADDRNOTAVAIL of a connect whose own end had its port before: that it has a connection to this peer already, open or in
 * TIME_WAIT (ip(7)). A port that was asked for is bound to the wildcard or to a `localAddress`. With a `localAddress` alone
 * the kernel picks the port at the bind, and picks one that is in TIME_WAIT where no other is left.
 */
export function hasTakenTuple({ code, syscall, local }: SocketFailure): boolean {
  if (code !== 'EADDRNOTAVAIL' || syscall !== 'connect' || local === undefined) return false
  if (local.address === WILDCARD[local.family]) return true
  try {
    const { first, last, available } = countEphemeralPorts(socketTable({ protocol: 'tcp' }))
    return available > 0 || local.port < first || local.port > last
  } catch {
    // A system that does not tell.
    return true
  }
}

const BINDING: ReadonlySet<string | undefined> = new Set(['listen', 'bind'])

/** A binding that fails, of whatever socket; the rest is about connecting or about a connection. */
export const isOfBinding = ({ syscall }: SocketFailure): boolean => BINDING.has(syscall)

/** Node words the bind of either in the same way; where it was made only the stack tells. Undefined where that is gone. */
export function protocolOf({ syscall, error }: SocketFailure): 'tcp' | 'udp' | undefined {
  if (syscall === 'send' || syscall === 'recvmsg') return 'udp'
  const stack = new Fields(error as object).text('stack') ?? ''
  if (stack.includes('node:dgram')) return 'udp'
  return syscall === 'bind' && !stack.includes('node:net') ? undefined : 'tcp'
}

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
