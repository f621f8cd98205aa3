import type net from 'node:net'
import { getSystemErrorName } from 'node:util'
import { portsideError } from '../errors.js'
import { LONGEST_ABSTRACT } from './port-lock.js'
import { type Runtime, runtime } from './runtime.js'

/**
 * The target of a `listen()` on a name that only one socket can have. Bun refuses an abstract name of the maximum length with EINVAL, and
 * Node 20 can take no shorter name, because it pads each with NULs. Bun therefore gets a descriptor that is bound here.
 *
 * Throws as bind(2) does: EADDRINUSE if a socket has the name.
 */
export function listenTarget(name: string, on: Runtime = runtime()): net.ListenOptions & { fd?: number } {
  const isRefused = on === 'Bun' && name.startsWith('\0') && Buffer.byteLength(name) >= LONGEST_ABSTRACT
  return isRefused ? { fd: boundDescriptor(name) } : { path: name, exclusive: true }
}

/** A descriptor of a unix socket with this name, which listens. */
function boundDescriptor(name: string): number {
  const { socket, bind, listen, close, errno } = (libc ??= loadLibc())
  const fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)
  if (fd < 0) throw systemError('socket', errno())
  const address = Buffer.alloc(2 + Buffer.byteLength(name))
  // sa_family_t is in the byte order of the machine, which is little-endian on every machine of Bun.
  address.writeUInt16LE(AF_UNIX)
  address.write(name, 2)
  for (const [syscall, call] of [
    ['bind', () => bind(fd, address, address.length)],
    ['listen', () => listen(fd, 1)],
  ] as const) {
    if (call() === 0) continue
    const error = systemError(syscall, errno())
    close(fd)
    throw error
  }
  return fd
}

/** From <bits/socket.h> of Linux, on x64 and arm64. */
const AF_UNIX = 1
const SOCK_STREAM = 1
const SOCK_CLOEXEC = 0o2000000

interface Libc {
  socket(domain: number, type: number, protocol: number): number
  bind(fd: number, address: Buffer, length: number): number
  listen(fd: number, backlog: number): number
  close(fd: number): number
  errno(): number
}

let libc: Libc | undefined

/** Calls the C library by https://bun.com/docs/runtime/ffi. musl takes the name of glibc's file for its own (ldso/dynlink.c). */
function loadLibc(): Libc {
  try {
    const { dlopen, read } = process.getBuiltinModule('bun:ffi') as unknown as BunFfi
    const { symbols } = dlopen('libc.so.6', {
      socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
      bind: { args: ['i32', 'ptr', 'i32'], returns: 'i32' },
      listen: { args: ['i32', 'i32'], returns: 'i32' },
      close: { args: ['i32'], returns: 'i32' },
      __errno_location: { args: [], returns: 'ptr' },
    })
    const { __errno_location: errnoAt, ...calls } = symbols
    return { ...(calls as unknown as Libc), errno: () => read.i32((errnoAt as () => number)(), 0) }
  } catch (error) {
    throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
      headline: 'Cannot lock a port in Bun',
      because: 'Bun refuses the name of the lock, and bun:ffi did not load the C library, which takes it',
      next: 'run the test in Node, or listen on port 0 instead of a reservation',
      cause: error,
    })
  }
}

interface BunFfi {
  dlopen(path: string, symbols: object): { readonly symbols: Readonly<Record<string, unknown>> }
  readonly read: { i32(pointer: number, offset: number): number }
}

function systemError(syscall: string, errno: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(-errno)
  return Object.assign(new Error(`${syscall} ${code}`), { code, errno: -errno, syscall })
}
