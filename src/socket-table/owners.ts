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

/** A socket that has an address, and whose it is. */
export interface SocketOwner extends SocketHolder {
  readonly thisProcess: boolean
  readonly protocol: SocketEntry['protocol']
  readonly state: SocketState
  /** Where it is bound: perhaps to a wildcard that covers the address in question. */
  readonly local: Endpoint | string
  readonly remote?: Endpoint | undefined
  /** The user who made it, where the system tells. */
  readonly uid?: number | undefined
  /** Of a TCP listener the connections in its accept queue, where the system tells. */
  readonly receiveQueue?: number | undefined
}

export interface OwnersOptions {
  /** TCP and UDP have separate port spaces. Default: both, and unix for a path. */
  protocol?: 'tcp' | 'udp'
}

/**
 * Tells who holds an address: the listeners on it and on wildcards that cover it (ip(7), ipv6(7)), and bound UDP sockets.
 * Where nobody listens, whoever else is bound to it, as a client is to its own port. Empty where nobody is.
 *
 * A socket that is bound and neither listens nor is connected is in no table of Linux. Of a process that may not be looked
 * into there is no pid, and `hidden` says so. Rejects with ERR_INVALID_ARG_TYPE or ERR_SOCKET_BAD_PORT, with ENOTFOUND for a
 * name without an address, and with ERR_PORTSIDE_UNSUPPORTED where the system has no table of sockets.
 */
export function findOwners(endpoint: EndpointLike, options: OwnersOptions = {}): Promise<SocketOwner[]> {
  return calledBy(findOwners, () => find(endpoint, options))
}

async function find(endpoint: EndpointLike, options: OwnersOptions): Promise<SocketOwner[]> {
  const protocol = checkedProtocol(options)
  const owners: SocketOwner[] = []
  for (const place of namedBy(endpoint)) {
    if ('path' in place) owners.push(...ownersOf(place.path))
    // A port alone is that port on every address.
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

/** The same within the call, for one address; without an address for a port on all of them. */
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
 * Those that a dial of the address reaches; that of a wildcard is one of its loopback address. A listener on `::` counts for
 * IPv4, too: no table tells whether it takes IPv4 (IPV6_V6ONLY, ipv6(7)).
 */
export function listenersReachedAt(endpoint: Pick<Endpoint, 'address' | 'port'>): SocketOwner[] {
  return reachedIn(listenersOn(endpoint.port), endpoint)
}

/** The same among listeners that are known. */
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
    // Whoever shares that with it (SO_REUSEPORT) stays unseen, for the rest of the table is long. Two links may have one
    // link-local address each, and the table of Linux has no zones.
    if ((entry.local as Endpoint).address === address && !address.startsWith('fe80:')) break
  }
  // One on `::` may leave IPv4 to others.
  const certain = listeners.some(({ local }) => (local as Endpoint).family === familyOf(address ?? '::'))
  if (certain || address === undefined) return listeners.length > 0 ? listeners : others
  return [...listeners, ...others.filter(({ local }) => (local as Endpoint).address === address)]
}

/** Whether a socket that is bound there is in the way of one that is to be bound to the place. */
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
