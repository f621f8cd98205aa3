import { tableSource } from '../platform/table-source.js'
import type { SocketEntry, SocketFilter } from './socket-entry.js'
import { inodesOf } from './socket-holders.js'
import { socketTable } from './socket-table.js'

export interface SocketsOf {
  /** In the order in which the processes opened them, if the system shows it: on Linux by descriptor number. */
  readonly sockets: readonly SocketEntry[]
  /** Whether sockets may be missing: a process of another user does not show its sockets. */
  readonly unreadable: boolean
}

/** The sockets of these processes. Throws ERR_PORTSIDE_UNSUPPORTED if the system has no table of sockets. */
export function socketsOf(pids: Iterable<number>, filter: SocketFilter = {}): SocketsOf {
  if (tableSource() !== 'proc') {
    const asked = new Set(pids)
    const sockets = [...socketTable(filter)].filter(({ pid }) => pid !== undefined && asked.has(pid))
    return { sockets, unreadable: false }
  }
  const { inodes, unreadable } = inodesOf(pids)
  const byInode = new Map<number, SocketEntry>()
  if (inodes.size > 0) {
    for (const entry of socketTable(filter)) {
      if (entry.inode !== undefined && inodes.has(entry.inode)) byInode.set(entry.inode, entry)
    }
  }
  return { sockets: [...inodes].flatMap((inode) => byInode.get(inode) ?? []), unreadable }
}
