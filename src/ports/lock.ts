import fs from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { codeOf } from '../errors.js'
import { thrown } from '../explanations/thrown.js'
import { portLockName } from '../platform/port-lock.js'
import { infrastructure } from '../sockets/infrastructure.js'

/**
 * Keeps other users of portside on this host from taking the same TCP port: the kernel lets two sockets be bound to one
 * port as long as neither listens. It is gone at the latest with its process, however that ends.
 */
export interface PortLock {
  release(): Promise<void>
}

/** The lock on a port; undefined where somebody has it. */
export function lockPort(port: number, platform?: NodeJS.Platform): Promise<PortLock | undefined> {
  const name = portLockName(port, platform)
  return name === undefined ? lockFile(port) : lockName(name, port)
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

const copyOfFs = { ...fs }

/** Longest that a lock file outlives a process that was killed, in milliseconds. */
const STALE = 5000

async function lockFile(port: number): Promise<PortLock | undefined> {
  const [{ default: lockfile }, { tmpdir }] = await Promise.all([import('proper-lockfile'), import('node:os')])
  try {
    const release = await lockfile.lock(join(tmpdir(), `portside-tcp-${port}`), {
      // A copy, on which it notes something.
      fs: copyOfFs,
      realpath: false,
      stale: STALE,
      // The process slept so long that somebody else has the lock now: the socket that holds the port is still there.
      onCompromised: () => {},
    })
    return { release: () => release().catch(() => {}) }
  } catch (error) {
    if (codeOf(error) === 'ELOCKED') return undefined
    throw thrown(error, `lock port ${port}`)
  }
}
