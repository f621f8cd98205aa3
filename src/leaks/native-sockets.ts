import { type Endpoint, unmapped } from '../loopback/endpoint.js'
import type { SocketDescriptor } from '../socket-table/socket-descriptors.js'
import { endsOf } from './leak.js'
import type { NativeConnection, NativeSocket, Natives } from './natives.js'
import type { LeakOptions } from './options.js'
import type { Owner } from './owner.js'
import type { TrackedSocket } from './tracked-socket.js'

interface Known {
  readonly natives: Natives
  /** The sockets of Node's modules. */
  readonly all: Iterable<TrackedSocket>
  /** Whether the sockets of an owner are in question. */
  readonly isMine: (owner: Owner | undefined) => boolean
}

/**
 * The sockets in question among those of the kernel that no object of Node explains. A connection that a pool may keep is not one, and the
 * other end of a client of Node's modules closes with its client. If the call that opened it is known, the owner of the call decides.
 */
export function nativeSuspects(
  found: readonly SocketDescriptor[],
  { natives, all, isMine }: Known,
  idlePools: LeakOptions['idlePools'],
): NativeSocket[] {
  const tracked = [...all].filter(({ open }) => open)
  const clients = new Set(tracked.flatMap((record) => (record.kind === 'client' ? nameOf(endsOf(record).local) : [])))
  const listeners = new Set(tracked.flatMap(({ kind, port }) => (kind === 'listener' && port ? port : [])))
  const own = found.filter(({ remote }) => !clients.has(nameOf(remote)))
  const connections = connectionsIn(own, (port) => listeners.has(port) || natives.isServer(port))
  return own.flatMap((descriptor): NativeSocket[] => {
    const connection = connections.get(descriptor)
    const held = connection && natives.holderOf(connection)
    if (held === 'pool') return idlePools === 'report' ? [{ descriptor, origin: undefined }] : []
    const origin = held ?? natives.originOf(descriptor)
    return origin === undefined || isMine(origin.owner) ? [{ descriptor, origin }] : []
  })
}

/** Both ends of a connection within this process are in the list. */
function connectionsIn(
  found: readonly SocketDescriptor[],
  isServer: (port: number) => boolean,
): ReadonlyMap<SocketDescriptor, NativeConnection> {
  const connections = new Map<SocketDescriptor, NativeConnection>()
  const clientsOf = new Map<number, number[]>()
  // The kernel counts inodes up.
  for (const descriptor of [...found].sort((one, other) => (one.inode ?? 0) - (other.inode ?? 0))) {
    const { local, remote } = descriptor
    if (remote === undefined || typeof local !== 'object') continue
    const [from, to] = isServer(local.port) ? [remote.port, local.port] : [local.port, remote.port]
    const among = clientsOf.get(to) ?? []
    clientsOf.set(to, among)
    if (!among.includes(from)) among.push(from)
    connections.set(descriptor, { from, to, among })
  }
  return connections
}

const nameOf = (end: Endpoint | SocketDescriptor['local']): string =>
  typeof end === 'object' ? `${unmapped(end.address)} ${end.port}` : String(end)
