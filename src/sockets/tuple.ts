import type dgram from 'node:dgram'
import type net from 'node:net'
import { readArgument } from '../argument.js'
import { type Endpoint, formatEndpoint, toEndpoint, unmapped } from '../loopback/endpoint.js'
import { serverOf } from '../platform/node-internals.js'
import { isDatagram, isPipe } from '../platform/node-objects.js'

/** The protocol and both addresses of a connection, which together identify it (RFC 9293 §3.4). */
export interface ConnectionTuple {
  /** The transport protocol. */
  readonly protocol: 'tcp' | 'udp' | 'unix'
  /** The local endpoint; a path for a unix socket; `''` if the socket has no address. */
  readonly local: Endpoint | string
  /** The remote endpoint, if the socket is connected. */
  readonly remote?: Endpoint | string
}

/**
 * Returns the protocol and both addresses of a socket, as the kernel knows them.
 *
 * `local` is `''` if the socket is closed, not connected yet or, for UDP, not bound. A client of a unix socket has no name, so its
 * `local` is `''` too. An IPv4 peer of a dual-stack socket appears as IPv4 (ipv6(7)).
 *
 * @throws ERR_INVALID_ARG_TYPE if the argument is not a net.Socket or a dgram.Socket
 * @example
 * ```ts
 * import { connectionTuple, listenTcp } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listenTcp()
 * const client = await server.connect()
 * expect(connectionTuple(client).remote).toEqual(server.endpoint)
 * ```
 * @see `docs/sockets.md#connectiontuple`
 */
export function connectionTuple(socket: net.Socket | dgram.Socket): ConnectionTuple {
  return readArgument('socket', 'a net.Socket or a dgram.Socket', socket, () =>
    typeof socket === 'object' ? tupleOf(socket) : undefined,
  )
}

function tupleOf(socket: net.Socket | dgram.Socket): ConnectionTuple | undefined {
  if (isDatagram(socket)) return datagramTuple(socket)
  const { localAddress, localPort, remoteAddress, remotePort } = socket
  // An HTTP/2 session's `socket` is a proxy without properties of its own that returns those of the socket.
  if (localAddress === undefined && !('localAddress' in socket)) return undefined
  if (localAddress !== undefined && localPort !== undefined) {
    const local = toEndpoint(unmapped(localAddress), localPort)
    if (remoteAddress === undefined || remotePort === undefined) return { protocol: 'tcp', local }
    return { protocol: 'tcp', local, remote: toEndpoint(unmapped(remoteAddress), remotePort) }
  }
  return isPipe(socket) ? unixTuple(socket) : { protocol: 'tcp', local: '' }
}

function datagramTuple(socket: dgram.Socket): ConnectionTuple {
  let local: Endpoint
  try {
    const { address, port } = socket.address()
    local = toEndpoint(address, port)
  } catch {
    // EBADF: not bound; ERR_SOCKET_DGRAM_NOT_RUNNING: closed.
    return { protocol: 'udp', local: '' }
  }
  try {
    const remote = socket.remoteAddress()
    return { protocol: 'udp', local, remote: toEndpoint(remote.address, remote.port) }
  } catch {
    // ERR_SOCKET_DGRAM_NOT_CONNECTED: most datagram sockets are not connected.
    return { protocol: 'udp', local }
  }
}

function unixTuple(socket: net.Socket): ConnectionTuple {
  const path = serverOf(socket)?.address()
  return { protocol: 'unix', local: typeof path === 'string' ? path : '' }
}

/** One line for messages: `127.0.0.1:40000 -> 127.0.0.1:3000`. */
export function formatTuple({
  local,
  remote,
}: {
  local: Endpoint | string
  remote?: Endpoint | string | undefined
}): string {
  return remote === undefined ? name(local) : `${name(local)} -> ${name(remote)}`
}

function name(end: Endpoint | string): string {
  if (typeof end === 'string') return end === '' ? '(unnamed)' : end
  return formatEndpoint(end)
}
