import { codeOf } from '../errors.js'
import { ownSockets } from '../socket-table/own-sockets.js'
import { type SocketDescriptor, socketDescriptors } from '../socket-table/socket-descriptors.js'
import { isInspector, isNamelessPipe } from './known.js'
import { sameAddress } from './same-address.js'
import { handlesOf, type TrackedSocket } from './tracked-socket.js'

/**
 * Sockets of this process that were not in the baseline and that no tracked object explains. Compared by inode, because the kernel reuses a
 * descriptor at once.
 */
export function untrackedSockets(baseline: ReadonlySet<number>, tracked: Iterable<TrackedSocket>): SocketDescriptor[] {
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
        !isTracked(each),
    )
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return []
  }
}
