import dgram from 'node:dgram'
import net from 'node:net'
import { readArgument } from '../argument.js'
import { calledBy } from '../caller.js'
import { codeOf, invalidArgument } from '../errors.js'
import { meaningOf } from '../explanations/codes.js'
import { type Endpoint, toEndpoint } from '../loopback/endpoint.js'
import { addressesOf, type EndpointLike, namedBy, printable } from '../loopback/endpoint-like.js'
import { isReservation } from '../loopback/port-reservation.js'
import { describeErrno } from '../platform/errno.js'
import { isDatagram } from '../platform/node-objects.js'
import { kindOfFile, unixPathExists } from '../platform/unix-path.js'
import { checkedProtocol, type OwnersOptions, ownersOf, type SocketOwner } from '../socket-table/owners.js'
import { assertionError } from './assertion-error.js'

/**
 * Asserts that an address is free: nothing listens there, and it can be bound.
 *
 * It briefly binds each address of the server or endpoint, with UDP for a UDP server. TIME_WAIT does not count, because Node
 * binds with SO_REUSEADDR (socket(7)). A unix path is free when its file is gone. The error names the owner. A closed
 * `net.Server` has no address: save its `address()` first. For a `dgram.Socket`, add `{ protocol: 'udp' }`.
 *
 * @throws ERR_PORTSIDE_ASSERTION if the address is not free
 * @throws ERR_INVALID_ARG_TYPE if the first argument is not an endpoint, or a server that is closed
 * @throws ERR_INVALID_ARG_VALUE if `protocol` is neither 'tcp' nor 'udp'
 * @throws ERR_SOCKET_BAD_PORT if the port of the endpoint is invalid
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```ts
 * import { assertReleased, listenHttp } from 'portside'
 *
 * const server = await listenHttp()
 * await server.close()
 * await assertReleased(server)
 * ```
 * @see `docs/assertions.md#assertreleased`
 */
export async function assertReleased(
  endpoint: EndpointLike | net.Server | dgram.Socket,
  options: OwnersOptions = {},
): Promise<void> {
  return calledBy(assertReleased, async () => {
    const held = await whyHeld(endpoint, checkedProtocol(options, 'assertReleased()'))
    if (held !== undefined) throw assertionError(held)
  })
}

/** Why the address is not free; undefined if it is. */
export async function whyHeld(target: unknown, protocol?: 'tcp' | 'udp'): Promise<Held | undefined> {
  if (isReservation(target) && target.held) {
    return heldBy(target.endpoint, 'a reservation that holds it', noOwners, 'release() the reservation first')
  }
  for (const place of namedBy(namedOf(target))) {
    if ('path' in place) {
      const held = await pathHeld(place.path)
      if (held !== undefined) return held
      continue
    }
    const addresses = await addressesOf(place.host)
    if (addresses.length === 0)
      return heldBy(toEndpoint(place.host, place.port), 'a name that resolves to nothing', noOwners, NAME)
    for (const address of addresses) {
      for (const asked of protocol === undefined ? protocolsOf(target) : [protocol]) {
        const held = await addressHeld(toEndpoint(address, place.port), asked)
        if (held !== undefined) return held
      }
    }
  }
  return undefined
}

export interface Held {
  readonly expected: string
  readonly actual: string
  readonly endpoint: Endpoint | string
  readonly owners: readonly SocketOwner[]
  readonly next: string
}

async function addressHeld(endpoint: Endpoint, protocol: 'tcp' | 'udp'): Promise<Held | undefined> {
  try {
    await (protocol === 'tcp' ? listenOnce(endpoint) : bindOnce(endpoint))
    return undefined
  } catch (error) {
    const code = codeOf(error) ?? String(error)
    // An address that this host lacks or forbids has no owner, but it cannot be bound either.
    const owners = (): SocketOwner[] => (code === 'EADDRINUSE' ? tryOwners(endpoint, protocol) : [])
    const next = code === 'EADDRINUSE' ? CLOSE : (meaningOf(code)?.hints[0] ?? CLOSE)
    return heldBy(endpoint, `${code} (${describeErrno(code) ?? 'it cannot be bound'})`, owners, next)
  }
}

async function pathHeld(path: string): Promise<Held | undefined> {
  const owners = tryOwners(path)
  if (owners.some(({ state }) => state === 'LISTEN')) return heldBy(path, 'a listener', () => owners, CLOSE)
  if (!(await unixPathExists(path))) return undefined
  const kind = kindOfFile(path)
  if (kind === 'directory' || kind === 'file') {
    return heldBy(path, `a ${kind} at this path, not a socket`, noOwners, 'use another path')
  }
  return heldBy(
    path,
    'a file at this path on which nothing listens here',
    noOwners,
    'remove the file if no other container uses it: its server is gone and did not close()',
  )
}

const NAME = 'pass an address of this host'
const CLOSE = 'close the socket that has it and await that; close() of portside resolves when the address is free'

function heldBy(endpoint: Endpoint | string, actual: string, owners: () => readonly SocketOwner[], next: string): Held {
  return {
    expected: `${printable(endpoint)} to be free`,
    actual,
    endpoint,
    // A getter: the lookup is needed only when the message is printed.
    get owners() {
      return owners()
    },
    next,
  }
}

const noOwners = (): SocketOwner[] => []

function tryOwners(place: Endpoint | string, protocol?: 'tcp' | 'udp'): SocketOwner[] {
  try {
    return ownersOf(place, protocol)
  } catch {
    // The system has no table of sockets.
    return []
  }
}

function listenOnce({ address, port }: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => void socket.resetAndDestroy())
    server.once('error', reject)
    server.listen({ host: address, port, exclusive: true }, () => void server.close(() => resolve()))
  })
}

function bindOnce({ address, port, family }: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket(family === 'IPv4' ? 'udp4' : 'udp6')
    socket.once('error', (error) => {
      socket.close()
      reject(error)
    })
    socket.bind({ address, port, exclusive: true }, () => void socket.close(() => resolve()))
  })
}

/** The endpoint of a server of Node, while it is bound. */
export function namedOf(target: unknown): EndpointLike {
  const { address } = readArgument('endpoint', 'an endpoint or a server', target, () => ({
    address: (target as { address?: unknown } | null | undefined)?.address,
  }))
  if (typeof address !== 'function') return target as EndpointLike
  let bound: unknown
  try {
    bound = address.call(target)
  } catch {
    // A datagram socket that is closed, or not bound.
  }
  if (typeof bound === 'string') return { path: bound }
  if (typeof bound === 'object' && bound !== null) return bound as Endpoint
  throw invalidArgument(
    'ERR_INVALID_ARG_TYPE',
    'endpoint',
    'an endpoint; a closed server has none, so save its address() before',
    target,
  )
}

function protocolsOf(target: unknown): ReadonlyArray<'tcp' | 'udp'> {
  if (isReservation(target)) return target.protocol === 'both' ? ['tcp', 'udp'] : [target.protocol]
  const { server = target } = (target ?? {}) as { server?: unknown }
  return isDatagram(server) ? ['udp'] : ['tcp']
}
