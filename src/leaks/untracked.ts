import { codeOf } from '../errors.js'
import { unmapped } from '../loopback/endpoint.js'
import { type Runtime, runtime } from '../platform/runtime.js'
import { ownSockets } from '../socket-table/own-sockets.js'
import { type SocketDescriptor, socketDescriptors } from '../socket-table/socket-descriptors.js'
import { isInspector, isNamelessPipe } from './known.js'
import { endsOf } from './leak.js'
import type { LeakOptions } from './options.js'
import { isOfFetch } from './runtime-fetch.js'
import { sameAddress } from './same-address.js'
import type { SocketLeak } from './socket-leak.js'
import { handlesOf, type TrackedSocket } from './tracked-socket.js'

/**
 * Sockets of this process that were not in the baseline and that no tracked object explains. Compared by inode, because the kernel reuses a
 * descriptor at once.
 */
export function untrackedSockets(
  baseline: ReadonlySet<number>,
  tracked: Iterable<TrackedSocket>,
  idlePools?: LeakOptions['idlePools'],
): SocketDescriptor[] {
  const fresh = [...ownSockets()].filter(({ inode }) => !baseline.has(inode))
  if (fresh.length === 0) return []
  const explained = new Set(Array.from(tracked).flatMap((record) => handlesOf(record).map(({ fd }) => fd)))
  const unexplained = new Set(fresh.filter(({ fd }) => !explained.has(fd)).map(({ inode }) => inode))
  if (unexplained.size === 0) return []
  try {
    const isTracked = sameAddress(tracked)
    return socketDescriptors().filter(
      (each) =>
        each.inode !== undefined &&
        unexplained.has(each.inode) &&
        !isNamelessPipe(each) &&
        !isInspector(each) &&
        !isExplained(each, tracked) &&
        !isTracked(each) &&
        (idlePools === 'report' || !isOfFetch(each)),
    )
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return []
  }
}

/**
 * Whether an object of Node without a descriptor has this address: http.Server of Bun and its connections have none. Sockets of Node have
 * their descriptors.
 */
function isExplained(each: SocketDescriptor, tracked: Iterable<TrackedSocket>, on: Runtime = runtime()): boolean {
  if (on !== 'Bun') return false
  const key = keyOf(each)
  return [...tracked].some((record) => record.open && keyOf(endsOf(record)) === key)
}

const keyOf = ({ local, remote }: Pick<SocketLeak, 'local' | 'remote'>): string =>
  [local, remote]
    .map((end) => (typeof end === 'object' ? `${unmapped(end.address)} ${end.port}` : String(end ?? '')))
    .join(' > ')
