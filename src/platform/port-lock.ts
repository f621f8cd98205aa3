import { constants } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The place of the lock on a port. The kernel releases it when its holder exits for any reason. */
export type PortLockPlace =
  /** A name that only one listener can have. */
  | { readonly name: string }
  /** A file that only one descriptor can have open: with the flags `create` if it does not exist, with `open` if it does. */
  | { readonly file: string; readonly create: number; readonly open: number; readonly mode: number }

/**
 * On Linux an abstract unix socket: each network namespace has its own names as it has its own ports (unix(7),
 * network_namespaces(7)). On Windows it is a named pipe, on macOS and BSD a file opened with an exclusive lock. Undefined on a
 * system without any of these.
 */
export function portLockPlace(port: number, platform: NodeJS.Platform = process.platform): PortLockPlace | undefined {
  switch (platform) {
    case 'linux':
    case 'android':
      // The name has the maximum length: libuv before 1.47 (Node 20) pads a shorter one with NULs, later versions do not, and to the
      // kernel these are different names.
      return { name: `\0portside/tcp/${port}/`.padEnd(LONGEST_ABSTRACT, '-') }
    case 'win32':
      return { name: `\\\\.\\pipe\\portside-tcp-${port}` }
    case 'darwin':
    case 'freebsd':
    case 'netbsd':
    case 'openbsd':
      return { file: join(tmpdir(), `portside-tcp-${port}.lock`), ...LOCK_FILE }
    default:
      return undefined
  }
}

/** The length of `sun_path`, including the NUL at its beginning (unix(7)). */
export const LONGEST_ABSTRACT = 108

/** The same bit on macOS, FreeBSD, NetBSD and OpenBSD (open(2), <fcntl.h>); `fs.constants` lacks it. */
const O_EXLOCK = 0x20

/**
 * O_NONBLOCK: fail with EAGAIN instead of waiting for the holder. O_NOFOLLOW: the temporary directory may be shared, and another
 * user's symbolic link must not choose the file. O_RDONLY: a lock needs no write permission, and all users must be able to use the
 * file of one user.
 */
const OPEN = constants.O_RDONLY | constants.O_NONBLOCK | (constants.O_NOFOLLOW ?? 0) | O_EXLOCK

const LOCK_FILE = { open: OPEN, create: OPEN | constants.O_CREAT | constants.O_EXCL, mode: 0o444 }
