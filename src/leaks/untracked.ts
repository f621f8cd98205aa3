import { codeOf } from '../errors.js'
import { type SocketDescriptor, socketDescriptors } from '../socket-table/socket-descriptors.js'
import { ownSockets } from '../socket-table/socket-holders.js'
import { handlesOf, type TrackedSocket } from './tracked-socket.js'

/**
 * Sockets of this process that were not in the baseline and that no tracked object explains. Compared by inode, because the
 * kernel gives a descriptor away again at once.
 */
export function untrackedSockets(
  baseline: ReadonlySet<number>,
  tracked: Iterable<TrackedSocket>,
  isNobodys: (descriptor: SocketDescriptor) => boolean = isPipeOrInspector,
): SocketDescriptor[] {
  const fresh = [...ownSockets()].filter(({ inode }) => !baseline.has(inode))
  if (fresh.length === 0) return []
  const explained = new Set(Array.from(tracked).flatMap((record) => handlesOf(record).map(({ fd }) => fd)))
  const unexplained = new Set(fresh.filter(({ fd }) => !explained.has(fd)).map(({ inode }) => inode))
  if (unexplained.size === 0) return []
  try {
    return socketDescriptors().filter((descriptor) => unexplained.has(descriptor.inode) && !isNobodys(descriptor))
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return []
  }
}

/**
 * A unix socket without a name is one end of a pipe, as to a program that another thread has started: nobody on a network
 * is at its other end, and nothing could be told of it. And a debugger may look in.
 */
const isPipeOrInspector = (descriptor: SocketDescriptor): boolean =>
  (descriptor.kind === 'unix' && !descriptor.local) || isInspector(descriptor)

/** The connection of a debugger. */
function isInspector({ local }: SocketDescriptor): boolean {
  const port = Number(
    /^--inspect(?:-brk|-port)?=(?:.*:)?(\d+)$/m.exec(process.execArgv.join('\n'))?.[1] ?? process.debugPort,
  )
  return (
    process.execArgv.some((argument) => argument.startsWith('--inspect')) &&
    typeof local === 'object' &&
    local.port === port
  )
}
