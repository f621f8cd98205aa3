import { existsSync, fstatSync, readdirSync, type Stats } from 'node:fs'
import { portsideError } from '../errors.js'
import { tableSource } from '../platform/table-source.js'
import { ownSockets } from './own-sockets.js'
import type { SocketAddress, SocketEntry, SocketState } from './socket-entry.js'
import { socketTable } from './socket-table.js'

/**
 * A descriptor of this process that is a socket.
 * @see `docs/socket-table.md#socketdescriptors`
 * @experimental
 */
export interface SocketDescriptor {
  /** The descriptor. The number is reused as soon as it is closed. */
  readonly fd: number
  /** The unique number of the socket. A later socket with the same descriptor has another. Undefined for TCP and UDP on macOS. */
  readonly inode: number | undefined
  /** `unbound` if no table of the kernel has it: it is not bound, or neither listens nor is connected, or is of another family. */
  readonly kind: SocketEntry['protocol'] | 'unbound'
  /** The state in the kernel's table. Undefined if `kind` is `unbound`. */
  readonly state?: SocketState | undefined
  /** The bound address; for a unix socket the path. Undefined if `kind` is `unbound`. */
  readonly local?: SocketAddress | string | undefined
  /** Its peer. Undefined without a peer, and for unix sockets. */
  readonly remote?: SocketAddress | undefined
}

/**
 * Returns the sockets that this process has open, including its threads.
 *
 * It also returns sockets that a native module or the parent process opened. On Linux each has its entry in the kernel's table. On
 * macOS `kind` is always `unbound`.
 *
 * @throws ERR_PORTSIDE_UNSUPPORTED on Windows, where a process cannot list its handles, and on Linux without /proc
 * @example
 * ```ts
 * import { listenTcp, socketDescriptors } from 'portside'
 * import { expect } from 'vitest'
 *
 * const before = new Set(socketDescriptors().map(({ inode }) => inode))
 * await using server = await listenTcp()
 * const opened = socketDescriptors().filter(({ inode }) => !before.has(inode))
 * expect(opened).toHaveLength(1)
 * ```
 * @see `docs/socket-table.md#socketdescriptors`
 * @experimental
 */
export function socketDescriptors(): SocketDescriptor[] {
  return descriptorsFrom(tableSource())
}

/** The same for a system with this source. */
export function descriptorsFrom(source: ReturnType<typeof tableSource>): SocketDescriptor[] {
  if (source === 'netstat') {
    throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
      headline: 'Cannot list the socket descriptors of this process',
      because: 'on Windows sockets are handles, and a process cannot list its own',
      next: 'skip the test with this reason',
    })
  }
  if (source === 'lsof') return descriptorsIn('/dev/fd')
  const why = whyNoDescriptors()
  if (why !== undefined) {
    throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
      headline: 'Cannot list the socket descriptors of this process',
      because: why,
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

function whyNoDescriptors(): string | undefined {
  try {
    return existsSync('/proc/self/fd') ? undefined : 'there is no /proc/self/fd, as in a sandbox'
  } catch {
    // In Node existsSync() never throws. Deno throws without the permission (https://docs.deno.com/runtime/fundamentals/security).
    return 'Deno permits to read /proc/self/fd only with --allow-all'
  }
}

/**
 * `/dev/fd` has the descriptors of the process that reads it (fd(4) of macOS and BSD). `fstat` of xnu sets an inode for unix sockets
 * only, and 0 for others (`soo_stat`).
 */
export function descriptorsIn(directory: string, stat: (fd: number) => Stats = fstatSync): SocketDescriptor[] {
  return readdirSync(directory).flatMap((name): SocketDescriptor[] => {
    try {
      const found = stat(Number(name))
      return found.isSocket() ? [{ fd: Number(name), inode: found.ino || undefined, kind: 'unbound' }] : []
    } catch {
      // EBADF: it was closed meanwhile.
      return []
    }
  })
}
