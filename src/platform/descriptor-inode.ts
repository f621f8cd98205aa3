import { fstatSync, readlinkSync } from 'node:fs'
import { type Runtime, runtime } from './runtime.js'

/**
 * The inode of a descriptor of this process that is a socket. Undefined for another kind of file. Throws if the descriptor is closed.
 * Deno's `fstatSync()` knows only the descriptors that `node:fs` has opened, so the link in /proc is read there (proc_pid_fd(5)). In
 * Node `fstatSync()` takes half as long.
 */
export function socketInode(fd: number, of: Runtime = runtime(), links = '/proc/self/fd'): number | undefined {
  if (of !== 'Deno') {
    const stat = fstatSync(fd)
    return stat.isSocket() ? stat.ino : undefined
  }
  const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`${links}/${fd}`)) ?? []
  return inode === undefined ? undefined : Number(inode)
}

/** Whether a number is an open descriptor of this process. Opens none. */
export function isOpenDescriptor(fd: number, of: Runtime = runtime(), links = '/proc/self/fd'): boolean {
  try {
    if (of === 'Deno') readlinkSync(`${links}/${fd}`)
    else fstatSync(fd)
    return true
  } catch {
    // EBADF, ENOENT.
    return false
  }
}
