import { constants } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Where the lock on a port is, in a form that the kernel drops with its holder, however that ends. */
export type PortLockPlace =
  /** A name that one listener can have. */
  | { readonly name: string }
  /** A file on which one descriptor can be opened: with `create` if it does not exist, with `open` if it does. */
  | { readonly file: string; readonly create: number; readonly open: number; readonly mode: number }

/**
 * Abstract unix sockets on Linux, which each network namespace has of its own as it has ports (unix(7),
 * network_namespaces(7)); named pipes on Windows; on macOS and BSD a file opened with an exclusive lock. Undefined on a
 * system without any of these.
 */
export function portLockPlace(port: number, platform: NodeJS.Platform = process.platform): PortLockPlace | undefined {
  switch (platform) {
    case 'linux':
    case 'android':
      // As long as such a name can be: libuv before 1.47 (Node 20) fills a shorter one up with NULs, later ones do not,
      // and the two would be different names to the kernel, which compares all of it.
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

/** `sun_path` to its last byte, the NUL at its beginning included (unix(7)). */
const LONGEST_ABSTRACT = 108

/** The same bit on macOS, FreeBSD, NetBSD and OpenBSD (open(2), <fcntl.h>); `fs.constants` lacks it. */
const O_EXLOCK = 0x20

/**
 * O_NONBLOCK: fail with EAGAIN instead of waiting for the holder. O_NOFOLLOW: the temporary directory may be shared, and
 * another user's symbolic link must not choose the file. O_RDONLY: a lock needs no right to write, and one user's file
 * has to serve the others.
 */
const OPEN = constants.O_RDONLY | constants.O_NONBLOCK | (constants.O_NOFOLLOW ?? 0) | O_EXLOCK

const LOCK_FILE = { open: OPEN, create: OPEN | constants.O_CREAT | constants.O_EXCL, mode: 0o444 }
