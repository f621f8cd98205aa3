import fs from 'node:fs'
import net from 'node:net'
import { promisify } from 'node:util'
import { codeOf } from '../errors.js'
import { thrown } from '../explanations/thrown.js'
import { type PortLockPlace, portLockPlace } from '../platform/port-lock.js'
import { infrastructure } from '../sockets/infrastructure.js'

/**
 * Keeps other users of portside on this host from taking the same TCP port: the kernel lets two sockets be bound to one
 * port as long as neither listens. It is gone at the latest with its process, however that ends.
 */
export interface PortLock {
  release(): Promise<void>
}

/** How lock files are opened: a descriptor, which no garbage collector closes. */
export interface LockFiles {
  open(path: string, flags: number, mode: number): Promise<number>
  fchmod(fd: number, mode: number): Promise<void>
  close(fd: number): Promise<void>
}

/** The lock on a port; undefined if another holder has it. On a system that has no such locks, every call gets one. */
export async function lockPort(
  port: number,
  platform?: NodeJS.Platform,
  files: LockFiles = FILES,
): Promise<PortLock | undefined> {
  const place = portLockPlace(port, platform)
  if (place === undefined) return { release: async () => {} }
  return 'name' in place ? lockName(place.name, port) : lockFile(place, port, files)
}

/** A listener on a name that only one can have. */
function lockName(path: string, port: number): Promise<PortLock | undefined> {
  return new Promise((resolve, reject) => {
    const server = infrastructure(net.createServer((socket) => socket.destroy()))
    server.once('error', (error) => {
      if (codeOf(error) === 'EADDRINUSE') resolve(undefined)
      else reject(thrown(error, `lock port ${port}`))
    })
    server.listen({ path, exclusive: true }, () => {
      server.unref()
      resolve({ release: () => new Promise((done) => void server.close(() => done())) })
    })
  })
}

// Taken at load: a test may replace the functions of node:fs.
const FILES: LockFiles = { open: promisify(fs.open), fchmod: promisify(fs.fchmod), close: promisify(fs.close) }

/**
 * A descriptor with an exclusive lock, which closing it or the end of the process drops (open(2)). The file stays: if it
 * were removed, a holder of the removed file and a holder of its successor could both have the lock.
 */
async function lockFile(place: LockFile, port: number, files: LockFiles): Promise<PortLock | undefined> {
  try {
    const fd = (await created(place, files)) ?? (await files.open(place.file, place.open, 0))
    let closed: Promise<void> | undefined
    return { release: () => (closed ??= files.close(fd)) }
  } catch (error) {
    const code = codeOf(error) ?? ''
    // Another descriptor has the lock; the two are one number on these systems (open(2)).
    if (code === 'EAGAIN' || code === 'EWOULDBLOCK') return undefined
    // Another user has created the file a moment ago, with a strict umask.
    if (code === 'EACCES' && fs.existsSync(place.file)) return undefined
    throw thrown(error, `lock port ${port}`)
  }
}

type LockFile = Extract<PortLockPlace, { file: string }>

/** A descriptor of the file if this call has created it; undefined if it exists. */
async function created({ file, create, mode }: LockFile, files: LockFiles): Promise<number | undefined> {
  let fd: number
  try {
    fd = await files.open(file, create, mode)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return undefined
    throw error
  }
  // The umask has narrowed the mode. An existing file keeps its mode: it may be a hard link to something else.
  await files.fchmod(fd, mode)
  return fd
}
