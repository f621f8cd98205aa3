import { codeOf } from '../errors.js'
import { dialAddress } from '../loopback/dial-address.js'
import { canonical, type Endpoint, formatEndpoint, toEndpoint, WILDCARD } from '../loopback/endpoint.js'
import { printable } from '../loopback/endpoint-like.js'
import type { ProgramFamily } from '../platform/program-family.js'
import { tableSource } from '../platform/table-source.js'
import { reachedIn, type SocketOwner, toOwner } from '../socket-table/owners.js'
import type { SocketEntry } from '../socket-table/socket-entry.js'
import { inodesOf } from '../socket-table/socket-holders.js'
import { socketTable } from '../socket-table/socket-table.js'
import { socketsOf } from '../socket-table/sockets-of.js'

/** The owner of the listener that a client of an endpoint reaches. */
export type Whose =
  | { readonly own: true }
  /** The system does not say. */
  | { readonly own: undefined }
  /** It belongs to another program. Without `stranger`, nothing listens there now. */
  | { readonly own: false; readonly stranger?: SocketOwner }

/**
 * Whether the listener that a client of the endpoint reaches belongs to the program or to a process that it started. Of several
 * listeners the kernel takes the most specific bind (net/ipv4/inet_hashtables.c, compute_score). If several share an address by
 * SO_REUSEPORT, it takes any, so all of them must belong to the program.
 */
export function whoseListener(endpoint: Endpoint, family: ProgramFamily): Whose {
  let listeners: SocketEntry[]
  try {
    listeners = [...socketTable({ protocol: 'tcp', state: 'LISTEN', port: endpoint.port })]
  } catch (error) {
    if (codeOf(error) !== 'ERR_PORTSIDE_UNSUPPORTED') throw error
    return { own: undefined }
  }
  const reached = mostExact(reachedIn(listeners, endpoint), canonical(dialAddress(endpoint)))
  if (reached.length === 0) return { own: false }
  const own = tableSource() === 'proc' ? ownByInode(reached, family) : ownByPid(reached, family)
  const stranger = reached.find((_entry, index) => own[index] === false)
  if (stranger !== undefined) return { own: false, stranger: toOwner(stranger) }
  return own.every((one) => one === true) ? { own: true } : { own: undefined }
}

function mostExact(listeners: readonly SocketEntry[], address: string): SocketEntry[] {
  const scoreOf = ({ local }: SocketEntry): number =>
    typeof local === 'string' ? 0 : local.address === address ? 2 : local.address === WILDCARD.IPv4 ? 1 : 0
  const best = Math.max(...listeners.map(scoreOf))
  return listeners.filter((entry) => scoreOf(entry) === best)
}

function ownByInode(listeners: readonly SocketEntry[], family: ProgramFamily): Array<boolean | undefined> {
  const has = (inodes: ReadonlySet<number>, { inode }: SocketEntry): boolean => inode !== undefined && inodes.has(inode)
  // Most programs listen in their first process, so that is checked first.
  for (const pidsOf of [() => [family.pid], () => family.tree()]) {
    const quick = inodesOf(pidsOf())
    if (listeners.every((entry) => has(quick.inodes, entry))) return listeners.map(() => true)
  }
  const { inodes, unreadable } = inodesOf(family.members().map(({ pid }) => pid))
  // A listener with a visible owner outside the program is not the program's, even if processes of the program are hidden.
  return listeners.map((entry) => has(inodes, entry) || (unreadable && entry.pid === undefined ? undefined : false))
}

const ownByPid = (listeners: readonly SocketEntry[], family: ProgramFamily): Array<boolean | undefined> =>
  listeners.map(({ pid }) => (pid === undefined ? undefined : family.has(pid)))

/** Where a program and its descendants listen. */
export interface ListensOn {
  /** TCP endpoints as they are bound, and paths of unix sockets. */
  readonly places: ReadonlyArray<Endpoint | string>
  /** UDP sockets, which do not listen. */
  readonly udp: readonly Endpoint[]
}

/** Undefined if the system does not say. */
export function whereItListens(family: ProgramFamily): ListensOn | undefined {
  try {
    const { sockets, unreadable } = socketsOf(family.members().map(({ pid }) => pid))
    const places: Array<Endpoint | string> = []
    const udp: Endpoint[] = []
    for (const { protocol, state, local } of sockets) {
      if (state === 'LISTEN' && typeof local === 'string' && local !== '') places.push(local)
      else if (state === 'LISTEN' && typeof local === 'object') places.push(toEndpoint(local.address, local.port))
      else if (protocol === 'udp' && state === 'UNCONN' && typeof local === 'object')
        udp.push(toEndpoint(local.address, local.port))
    }
    return unreadable && places.length === 0 ? undefined : { places, udp }
  } catch {
    return undefined
  }
}

export function describeListening({ places, udp }: ListensOn): string {
  const listed = places.map(printable)
  if (listed.length > 0) return `it listens on ${listed.slice(0, 10).join(' and ')}`
  if (udp.length > 0)
    return `it listens on no TCP port; it has UDP sockets on ${udp.slice(0, 10).map(formatEndpoint).join(' and ')}`
  return 'it listens nowhere'
}
