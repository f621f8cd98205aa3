import { calledBy } from '../caller.js'
import { invalidArgument, portsideError } from '../errors.js'
import { dialAddress } from '../loopback/dial-address.js'
import { canonical, type Endpoint, familyOf, formatEndpoint, toEndpoint, WILDCARD } from '../loopback/endpoint.js'
import { addressesOf, type EndpointLike, namedBy } from '../loopback/endpoint-like.js'
import { escaped } from '../message.js'
import { readOptions } from '../options.js'
import type { SocketEntry, SocketHolder, SocketState } from './socket-entry.js'
import { socketTable } from './socket-table.js'
import { unixSocketsAt } from './unix-sockets.js'

/**
 * A socket that holds an address, and its process.
 * @see `docs/socket-table.md#findowners`
 */
export interface SocketOwner extends SocketHolder {
  /** Whether this process has it, including its threads. */
  readonly thisProcess: boolean
  readonly protocol: SocketEntry['protocol']
  /** `LISTEN` for a TCP listener, `UNCONN` for a bound UDP socket. */
  readonly state: SocketState
  /** The bound address, which may be a wildcard that covers the one you asked for. */
  readonly local: Endpoint | string
  /** Its peer. Undefined without a peer. */
  readonly remote?: Endpoint | undefined
  /** The user who created it, if the system shows it. */
  readonly uid?: number | undefined
  /** For a TCP listener the connections in its accept queue, if the system shows it. */
  readonly receiveQueue?: number | undefined
}

/** Options of `findOwners()`, `assertReleased()` and `toBeReleased()`. */
export interface OwnersOptions {
  /** The protocol of the port: TCP and UDP have separate port spaces. `findOwners()` looks at both if you omit it. */
  protocol?: 'tcp' | 'udp'
}

/**
 * Finds the sockets that hold an address, and their processes.
 *
 * These are the listeners on the address and on wildcards that cover it (ip(7), ipv6(7)), and bound UDP sockets. If nothing
 * listens, it returns other sockets bound to it, such as a client on its local port. If nothing is bound, the result is `[]`. Linux
 * lists no socket that is bound, but neither listens nor is connected. If this process may not inspect an owner, its `pid` is
 * undefined and `hidden` says so.
 *
 * @throws ERR_INVALID_ARG_TYPE if the endpoint or an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if `protocol` is neither 'tcp' nor 'udp'
 * @throws ERR_SOCKET_BAD_PORT if the port is not from 1 to 65535
 * @throws ENOTFOUND if a name has no address
 * @throws ERR_PORTSIDE_UNSUPPORTED if the system has no table of sockets
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```ts
 * import { findOwners, listenTcp } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listenTcp()
 * expect(await findOwners(server)).toMatchObject([{ pid: process.pid, thisProcess: true, state: 'LISTEN' }])
 * ```
 * @see `docs/socket-table.md#findowners`
 */
export function findOwners(endpoint: EndpointLike, options: OwnersOptions = {}): Promise<SocketOwner[]> {
  return calledBy(findOwners, () => find(endpoint, options))
}

async function find(endpoint: EndpointLike, options: OwnersOptions): Promise<SocketOwner[]> {
  const protocol = checkedProtocol(options)
  const owners: SocketOwner[] = []
  for (const place of namedBy(endpoint)) {
    if ('path' in place) owners.push(...ownersOf(place.path))
    // A number means that port on every address.
    else if (typeof endpoint === 'number') owners.push(...ownersOf({ port: place.port }, protocol))
    else {
      const addresses = await addressesOf(place.host)
      if (addresses.length === 0) throw unresolved(place.host)
      for (const address of addresses) owners.push(...ownersOf({ address, port: place.port }, protocol))
    }
  }
  return owners.filter((owner, index) => owners.findIndex((other) => isSame(owner, other)) === index)
}

const unresolved = (name: string): Error =>
  portsideError('ENOTFOUND', {
    headline: `Cannot find the owner of an address of ${name}`,
    because: 'the name resolves to nothing',
    next: 'pass an address',
  })

/** Throws ERR_INVALID_ARG_TYPE or ERR_INVALID_ARG_VALUE. */
export function checkedProtocol(options: OwnersOptions, of = 'findOwners()'): OwnersOptions['protocol'] {
  const { protocol } = readOptions(options, { of, names: ['protocol'], example: "{ protocol: 'udp' }" })
  if (protocol !== undefined && protocol !== 'tcp' && protocol !== 'udp') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'protocol', "'tcp' or 'udp'", protocol)
  }
  return protocol
}

/** The same for one address, synchronously. Without an address, for a port on all addresses. */
export function ownersOf(
  place: { readonly address?: string; readonly port: number } | string,
  protocol?: 'tcp' | 'udp',
): SocketOwner[] {
  if (typeof place === 'string') return ownersOfPath(place)
  const tcp = protocol === 'udp' ? [] : tcpOwners(place)
  const udp = protocol === 'tcp' ? [] : [...socketTable({ protocol: 'udp', port: place.port })].filter(holds(place))
  return [...tcp, ...udp].map(toOwner)
}

/** The TCP listeners on a port, on any address. */
export function listenersOn(port: number): SocketOwner[] {
  return listenersIn(socketTable({ protocol: 'tcp', state: 'LISTEN', port }))
}

/** The listeners among entries of the table. */
export const listenersIn = (entries: Iterable<SocketEntry>): SocketOwner[] =>
  Array.from(entries)
    .filter(({ state }) => state === 'LISTEN')
    .map(toOwner)

/**
 * The listeners that a client of the address reaches. A client of a wildcard reaches its loopback address. A listener on `::` counts for
 * IPv4 too: no table shows whether it accepts IPv4 (IPV6_V6ONLY, ipv6(7)).
 */
export function listenersReachedAt(endpoint: Pick<Endpoint, 'address' | 'port'>): SocketOwner[] {
  return reachedIn(listenersOn(endpoint.port), endpoint)
}

/** The same among the given listeners. */
export function reachedIn<T extends Pick<SocketEntry, 'local'>>(
  listeners: readonly T[],
  { address, port }: Pick<Endpoint, 'address' | 'port'>,
): T[] {
  const dialled = canonical(dialAddress(toEndpoint(address, port)))
  const family = familyOf(dialled)
  const addresses: readonly unknown[] = [dialled, WILDCARD[family], WILDCARD.IPv6]
  return listeners.filter(({ local }) => typeof local !== 'string' && addresses.includes(local.address))
}

/** `pid 4711 (postgres) listens on 0.0.0.0:5432`. */
export function describeOwner({ pid, program, hidden, thisProcess, state, protocol, local }: SocketOwner): string {
  const where = typeof local === 'string' ? escaped(local) : formatEndpoint(local)
  const what =
    state === 'LISTEN' ? 'a listener' : `a ${protocol.toUpperCase()} socket${state === 'UNCONN' ? '' : ` in ${state}`}`
  if (pid === undefined) return `${what} is on ${where}; ${hidden}`
  const who = thisProcess ? `this process (pid ${pid})` : `pid ${pid}${program ? ` (${escaped(program)})` : ''}`
  return state === 'LISTEN' ? `${who} listens on ${where}` : `${who} has ${what} on ${where}`
}

type Place = { readonly address?: string; readonly port: number }

function tcpOwners(place: Place): SocketEntry[] {
  const listeners: SocketEntry[] = []
  const others: SocketEntry[] = []
  const held = holds(place)
  const address = place.address && canonical(place.address)
  for (const entry of socketTable({ protocol: 'tcp', port: place.port })) {
    if (!held(entry)) continue
    if (entry.state !== 'LISTEN') {
      others.push(entry)
      continue
    }
    listeners.push(entry)
    // The rest of the table is long, so sockets that share the address (SO_REUSEPORT) are not found. Two links may have the same
    // link-local address, and the table of Linux has no zones.
    if ((entry.local as Endpoint).address === address && !address.startsWith('fe80:')) break
  }
  // A listener on `::` may leave IPv4 to other sockets.
  const certain = listeners.some(({ local }) => (local as Endpoint).family === familyOf(address ?? '::'))
  if (certain || address === undefined) return listeners.length > 0 ? listeners : others
  return [...listeners, ...others.filter(({ local }) => (local as Endpoint).address === address)]
}

/** Whether a socket that is bound there conflicts with a bind to the place. */
function holds({ address: given, port }: Place): (entry: SocketEntry) => boolean {
  const address = given === undefined ? undefined : canonical(given)
  return ({ local }) => {
    if (typeof local === 'string' || local.port !== port) return false
    if (address === undefined || local.address === address || canonical(local.address) === address) return true
    if (local.address === WILDCARD.IPv6 || address === WILDCARD.IPv6) return true
    return (
      local.family === familyOf(address) &&
      (local.address === WILDCARD[local.family] || address === WILDCARD[local.family])
    )
  }
}

function ownersOfPath(path: string): SocketOwner[] {
  const entries = unixSocketsAt(path)
  const listeners = entries.filter(({ state }) => state === 'LISTEN')
  return (listeners.length > 0 ? listeners : entries).map(toOwner)
}

export function toOwner({
  protocol,
  state,
  local,
  remote,
  uid,
  receiveQueue,
  pid,
  program,
  hidden,
}: SocketEntry): SocketOwner {
  return { pid, program, hidden, thisProcess: pid === process.pid, protocol, state, local, remote, uid, receiveQueue }
}

function isSame(one: SocketOwner, other: SocketOwner): boolean {
  return (
    one.pid === other.pid &&
    one.uid === other.uid &&
    one.protocol === other.protocol &&
    one.state === other.state &&
    nameOfEnd(one.local) === nameOfEnd(other.local) &&
    nameOfEnd(one.remote ?? '') === nameOfEnd(other.remote ?? '')
  )
}

const nameOfEnd = (end: Endpoint | string): string => (typeof end === 'string' ? end : formatEndpoint(end))
