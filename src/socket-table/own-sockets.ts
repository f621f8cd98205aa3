import { readdirSync } from 'node:fs'
import { codeOf } from '../errors.js'
import { socketInode } from '../platform/descriptor-inode.js'

export interface OwnSocket {
  readonly fd: number
  readonly inode: number
}

/** The sockets among the descriptors of this process. Empty without /proc. */
export function* ownSockets(proc = '/proc'): Generator<OwnSocket, void, void> {
  for (const name of entriesOf(`${proc}/self/fd`)) {
    try {
      const inode = socketInode(Number(name))
      if (inode !== undefined) yield { fd: Number(name), inode }
    } catch {
      // EBADF: it was closed meanwhile, like the descriptor of this directory.
    }
  }
}

/** The names in a directory below /proc. */
export function entriesOf(path: string): string[] {
  try {
    return readdirSync(path)
  } catch (error) {
    // Without a descriptor there is no answer, and an empty list would be wrong.
    if (codeOf(error) === 'EMFILE' || codeOf(error) === 'ENFILE') throw error
    // No /proc, as in a sandbox.
    return []
  }
}
