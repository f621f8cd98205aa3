import type dgram from 'node:dgram'
import type net from 'node:net'
import { readArgument } from '../argument.js'
import { type Endpoint, formatEndpoint, toEndpoint, unmapped } from '../loopback/endpoint.js'
import { serverOf } from '../platform/node-internals.js'
import { isDatagram, isPipe } from '../platform/node-objects.js'

/** What tells connections apart: protocol, local, remote (RFC 9293 §3.4). A string is the path of a unix socket. */
export interface ConnectionTuple {
  readonly protocol: 'tcp' | 'udp' | 'unix'
  readonly local: Endpoint | string
  readonly remote?: Endpoint | string
}

/**
 * The tuple of a socket as the kernel knows it. A closed or unconnected TCP socket has no local address any more:
 * its `local` is the empty string. So is that of a datagram socket that is closed or not bound. Unix sockets that were not bound have no name: theirs is empty, too.
 */
export function connectionTuple(socket: net.Socket | dgram.Socket): ConnectionTuple {
  return readArgument('socket', 'a net.Socket or a dgram.Socket', socket, () =>
    typeof socket === 'object' ? tupleOf(socket) : undefined,
  )
}

function tupleOf(socket: net.Socket | dgram.Socket): ConnectionTuple | undefined {
  if (isDatagram(socket)) return datagramTuple(socket)
  const { localAddress, localPort, remoteAddress, remotePort } = socket
  // An HTTP/2 session's `socket` is a proxy that has no property and gives the socket's.
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
    // EBADF or ERR_SOCKET_DGRAM_NOT_RUNNING: it is not bound, or closed.
    return { protocol: 'udp', local: '' }
  }
  try {
    const remote = socket.remoteAddress()
    return { protocol: 'udp', local, remote: toEndpoint(remote.address, remote.port) }
  } catch {
    // ERR_SOCKET_DGRAM_NOT_CONNECTED: most datagram sockets have no one peer.
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
