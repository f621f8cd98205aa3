import fs from 'node:fs'
import net from 'node:net'
import { promisify } from 'node:util'
import { codeOf } from '../errors.js'
import { thrown } from '../explanations/thrown.js'
import { listenTarget } from '../platform/abstract-name.js'
import { type PortLockPlace, portLockPlace } from '../platform/port-lock.js'
import { infrastructure } from '../sockets/infrastructure.js'

/**
 * Keeps other reservations on this host from taking the same TCP port: the kernel lets two sockets be bound to one port as
 * long as neither listens. The system frees the lock when its process ends, however it ends.
 */
export interface PortLock {
  release(): Promise<void>
}

/** Opens lock files by descriptor: the garbage collector would close a `FileHandle`. */
export interface LockFiles {
  open(path: string, flags: number, mode: number): Promise<number>
  fchmod(fd: number, mode: number): Promise<void>
  close(fd: number): Promise<void>
}

/** Takes the lock on a port. Undefined if another holder has it. On a system without such locks every call succeeds. */
export async function lockPort(
  port: number,
  platform?: NodeJS.Platform,
  files: LockFiles = FILES,
): Promise<PortLock | undefined> {
  const place = portLockPlace(port, platform)
  if (place === undefined) return { release: async () => {} }
  return 'name' in place ? lockName(place.name, port) : lockFile(place, port, files)
}

/** A listener on a name that only one socket can have. */
function lockName(path: string, port: number): Promise<PortLock | undefined> {
  return new Promise((resolve, reject) => {
    const server = infrastructure(net.createServer((socket) => socket.destroy()))
    const failed = (error: unknown): void => {
      if (codeOf(error) === 'EADDRINUSE') resolve(undefined)
      else reject(thrown(error, `lock port ${port}`))
    }
    server.once('error', failed)
    const listening = (): void => {
      server.unref()
      resolve({ release: () => new Promise((done) => void server.close(() => done())) })
    }
    try {
      server.listen(listenTarget(path), listening)
    } catch (error) {
      failed(error)
    }
  })
}

// Read when the module loads: a test may replace the functions of node:fs later.
const FILES: LockFiles = { open: promisify(fs.open), fchmod: promisify(fs.fchmod), close: promisify(fs.close) }

/**
 * A descriptor with an exclusive lock, which lasts until the descriptor is closed or the process ends (open(2)). The file
 * stays: if it were removed, a holder of the removed file and a holder of its successor could both have the lock.
 */
async function lockFile(place: LockFile, port: number, files: LockFiles): Promise<PortLock | undefined> {
  try {
    const fd = (await created(place, files)) ?? (await files.open(place.file, place.open, 0))
    let closed: Promise<void> | undefined
    return { release: () => (closed ??= files.close(fd)) }
  } catch (error) {
    const code = codeOf(error) ?? ''
    // Another descriptor has the lock. Both codes are the same number on these systems (open(2)).
    if (code === 'EAGAIN' || code === 'EWOULDBLOCK') return undefined
    // Another user has just created the file, and has not changed its mode yet.
    if (code === 'EACCES' && fs.existsSync(place.file)) return undefined
    throw thrown(error, `lock port ${port}`)
  }
}

type LockFile = Extract<PortLockPlace, { file: string }>

/** A descriptor of the file if this call creates it. Undefined if the file exists. */
async function created({ file, create, mode }: LockFile, files: LockFiles): Promise<number | undefined> {
  let fd: number
  try {
    fd = await files.open(file, create, mode)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return undefined
    throw error
  }
  // The umask has narrowed the mode. Not done for an existing file, which may be a hard link to something else.
  await files.fchmod(fd, mode)
  return fd
}
