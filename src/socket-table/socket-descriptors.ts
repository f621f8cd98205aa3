import { existsSync, fstatSync, readdirSync } from 'node:fs'
import { portsideError } from '../errors.js'
import { tableSource } from '../platform/table-source.js'
import { ownSockets } from './own-sockets.js'
import type { SocketAddress, SocketEntry, SocketState } from './socket-entry.js'
import { socketTable } from './socket-table.js'

/** A descriptor of this process that is a socket. */
export interface SocketDescriptor {
  readonly fd: number
  /** The number that tells it from every other socket of the system, also from a later one with the same descriptor. */
  readonly inode: number
  /** `unbound`: in no table of the kernel, neither bound nor connected, or of a family that is neither of these. */
  readonly kind: SocketEntry['protocol'] | 'unbound'
  readonly state?: SocketState | undefined
  readonly local?: SocketAddress | string | undefined
  readonly remote?: SocketAddress | undefined
}

/**
 * The sockets that this process has open, its threads' included: whatever opened them, Node, a native module, or the
 * process that started this one. On Linux each with what the kernel's table says of it; on macOS the kind is not told, and
 * all are `unbound`. Throws ERR_PORTSIDE_UNSUPPORTED on Windows, where a process cannot list its handles, and
 * where there is no /proc.
 */
export function socketDescriptors(): SocketDescriptor[] {
  return descriptorsFrom(tableSource())
}

/** The same for a system that lists its sockets there. */
export function descriptorsFrom(source: ReturnType<typeof tableSource>): SocketDescriptor[] {
  if (source === 'netstat') {
    throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
      headline: 'Cannot list the socket descriptors of this process',
      because: 'on Windows sockets are handles, and a process cannot list its own',
      next: 'skip the test with this reason',
    })
  }
  if (source === 'lsof') return descriptorsIn('/dev/fd')
  if (!existsSync('/proc/self/fd')) {
    throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
      headline: 'Cannot list the socket descriptors of this process',
      because: 'there is no /proc/self/fd, as in a sandbox',
      next: 'skip the test with this reason',
    })
  }
  const own = [...ownSockets()]
  if (own.length === 0) return []
  const wanted = new Set(own.map(({ inode }) => inode))
  const entries = new Map<number, SocketEntry>()
  for (const entry of socketTable()) {
    if (entry.inode !== undefined && wanted.has(entry.inode)) entries.set(entry.inode, entry)
    if (entries.size === wanted.size) break
  }
  return own.map(({ fd, inode }) => {
    const entry = entries.get(inode)
    if (entry === undefined) return { fd, inode, kind: 'unbound' }
    const { protocol, state, local, remote } = entry
    return { fd, inode, kind: protocol, state, local, remote }
  })
}

/** `/dev/fd` has the descriptors of the process that looks (fd(4) of macOS and BSD). */
function descriptorsIn(directory: string): SocketDescriptor[] {
  return readdirSync(directory).flatMap((name): SocketDescriptor[] => {
    try {
      const stat = fstatSync(Number(name))
      return stat.isSocket() ? [{ fd: Number(name), inode: stat.ino, kind: 'unbound' }] : []
    } catch {
      // EBADF: closed meanwhile.
      return []
    }
  })
}
