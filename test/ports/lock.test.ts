import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { type FileHandle, mkdtemp, open, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { portLockPlace } from '../../src/platform/port-lock.js'
import { type LockFiles, lockPort, type PortLock } from '../../src/ports/lock.js'
import { needsExclusivePath, needsFileMode } from '../support/abilities.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

const programs = new URL('../../fixtures/programs/', import.meta.url)

/** As on macOS and BSD (<fcntl.h>). */
const O_EXLOCK = 0x20

/** Above all ports: a reservation of another test never has this lock. */
let port = 1_000_000 + process.pid * 100
beforeEach(() => {
  port++
})

const HERE = process.platform
const whyNoName = 'name' in (portLockPlace(1) ?? {}) ? undefined : 'this system has no such names'

describe('a port lock by name', () => {
  beforeEach((context) => {
    if (whyNoName !== undefined) context.skip(whyNoName)
    needsExclusivePath(context)
  })

  isHadByOne(() => lockPort(port, HERE))

  it('locks one port only', async () => {
    const locks = await Promise.all([lockPort(port), lockPort(port + 1)])
    expect(locks).toEqual([expect.anything(), expect.anything()])
    await Promise.all(locks.map((lock) => lock?.release()))
    port++
  })

  it('keeps other threads and processes from the same lock', async () => {
    const lock = await lockPort(port)
    const [thread, other] = [startThread(port), startProgram(port)]
    expect(await Promise.all([firstLine(thread.stdout), firstLine(other.stdout)])).toEqual(['taken', 'taken'])
    await lock?.release()
    thread.stdin?.end()
    other.stdin.end()
    await Promise.all([once(thread, 'exit'), once(other, 'close')])
  })

  it.each(['thread', 'process'] as const)('is free when its %s ends, and does not keep it alive', async (of) => {
    const holder = of === 'thread' ? startThread(port) : startProgram(port)
    expect(await firstLine(holder.stdout as Readable)).toBe('held')
    expect(await lockPort(port)).toBeUndefined()
    // The lock does not keep it alive.
    holder.stdin?.end()
    // A process also has its pipes until 'close'.
    expect(await once(holder, of === 'thread' ? 'exit' : 'close')).toContain(0)
    const lock = await lockPort(port)
    expect(lock).toBeDefined()
    await lock?.release()
  })

  it('is free immediately when its process is killed', async () => {
    const holder = startProgram(port)
    expect(await firstLine(holder.stdout)).toBe('held')
    holder.kill('SIGKILL')
    await once(holder, 'close')
    const lock = await lockPort(port)
    expect(lock).toBeDefined()
    await lock?.release()
  })
})

describe('a port lock by file, as macOS and BSD open it', () => {
  // The files are real, in a temporary folder. Only the lock is simulated, because Linux ignores O_EXLOCK.
  let directory: string
  let kernel: PlayedLocks
  beforeEach(async (context) => {
    needsFileMode(context)
    const temporary = process.env.TMPDIR
    directory = await mkdtemp(join(tmpdir(), 'portside-test-'))
    process.env.TMPDIR = directory
    kernel = new PlayedLocks()
    onTestFinished(async () => {
      if (temporary === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = temporary
      await rm(directory, { recursive: true })
    })
  })
  const lock = (files: LockFiles = kernel) => lockPort(port, 'darwin', files)
  const path = () => join(directory, `portside-tcp-${port}.lock`)

  isHadByOne(() => lock())

  it('closes its descriptor once, and leaves a file that all users can read', async () => {
    const held = await lock()
    expect(kernel.descriptors).toBe(1)
    await Promise.all([held?.release(), held?.release()])
    expect(kernel.descriptors).toBe(0)
    expect(await readdir(directory)).toEqual([`portside-tcp-${port}.lock`])
    expect((await stat(path())).mode & 0o777).toBe(0o444)
  })

  it('makes the file readable for all users even with a strict umask', async () => {
    const strict: LockFiles = { ...kernel.functions, open: (file, flags) => kernel.open(file, flags, 0o400) }
    await (await lock(strict))?.release()
    expect((await stat(path())).mode & 0o777).toBe(0o444)
  })

  it('does not change the mode of an existing file, which may be a link', async () => {
    await writeFile(path(), '', { mode: 0o600 })
    await (await lock())?.release()
    expect((await stat(path())).mode & 0o777).toBe(0o600)
  })

  it('does not follow a symbolic link', async () => {
    const secret = join(directory, 'secret')
    await writeFile(secret, '', { mode: 0o600 })
    await symlink(secret, path())
    await expect(lock()).rejects.toMatchObject({ code: 'ELOOP' })
    expect((await stat(secret)).mode & 0o777).toBe(0o600)
    expect(kernel.descriptors).toBe(0)
  })

  const refusing = (code: string): LockFiles => ({
    ...kernel.functions,
    open: async () => Promise.reject(Object.assign(new Error(code), { code })),
  })

  it.each(['EAGAIN', 'EWOULDBLOCK'])('is taken if open() fails with %s', async (code) => {
    expect(await lock(refusing(code))).toBeUndefined()
  })

  it('is taken if the file of another user is unreadable', async () => {
    await writeFile(path(), '')
    expect(await lock(refusing('EACCES'))).toBeUndefined()
  })

  it.each(['EACCES', 'EOPNOTSUPP', 'EMFILE'])('rejects with %s if no lock is possible', async (code) => {
    await expect(lock(refusing(code))).rejects.toMatchObject({ code, message: expect.stringContaining(`port ${port}`) })
  })
})

it('always succeeds on a system without names, pipes and O_EXLOCK', async () => {
  const locks = await Promise.all([lockPort(port, 'aix'), lockPort(port, 'aix')])
  expect(locks).toEqual([expect.anything(), expect.anything()])
  await Promise.all(locks.map((lock) => lock?.release()))
})

function isHadByOne(lock: () => Promise<PortLock | undefined>): void {
  it('has one holder at a time, and the next as soon as it is released', async () => {
    for (let round = 0; round < 3; round++) {
      const held = (await lock()) as PortLock
      expect(held).toBeDefined()
      expect(await lock()).toBeUndefined()
      expect(await lock()).toBeUndefined()
      await held.release()
    }
  })

  it('has one holder of many concurrent callers', async () => {
    const locks = await Promise.all(Array.from({ length: 20 }, lock))
    const had = locks.filter((one) => one !== undefined)
    expect(had).toHaveLength(1)
    await had[0]?.release()
  })

  it('release() releases once, even if called twice', async () => {
    const held = await lock()
    await Promise.all([held?.release(), held?.release()])
    await held?.release()
    const next = await lock()
    expect(next).toBeDefined()
    await next?.release()
  })
}

/** Opens files as open(2) of macOS and BSD does with O_EXLOCK and O_NONBLOCK. */
class PlayedLocks implements LockFiles {
  readonly #open = new Map<number, FileHandle>()
  readonly #locked = new Map<string, number>()

  get descriptors(): number {
    return this.#open.size
  }

  get functions(): LockFiles {
    return { open: this.open, fchmod: this.fchmod, close: this.close }
  }

  open = async (path: string, flags: number, mode: number): Promise<number> => {
    expect(flags & O_EXLOCK).toBe(O_EXLOCK)
    expect(flags & constants.O_NONBLOCK).toBe(constants.O_NONBLOCK)
    const handle = await open(path, flags & ~O_EXLOCK, mode)
    if (this.#locked.has(path)) {
      await handle.close()
      throw Object.assign(new Error('EAGAIN: resource temporarily unavailable, open'), { code: 'EAGAIN' })
    }
    this.#locked.set(path, handle.fd)
    this.#open.set(handle.fd, handle)
    return handle.fd
  }

  fchmod = async (fd: number, mode: number): Promise<void> => this.#open.get(fd)?.chmod(mode)

  close = async (fd: number): Promise<void> => {
    const handle = this.#open.get(fd)
    if (handle === undefined) throw Object.assign(new Error('EBADF: bad file descriptor, close'), { code: 'EBADF' })
    for (const [path, holder] of this.#locked) if (holder === fd) this.#locked.delete(path)
    this.#open.delete(fd)
    await handle.close()
  }
}

function startProgram(port: number): ChildProcessWithoutNullStreams {
  const program = fileURLToPath(new URL('hold-lock.mjs', programs))
  const child = spawn(process.execPath, [program, String(port)])
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

function startThread(port: number): Worker {
  return new Worker(new URL('hold-lock.mjs', programs), {
    argv: [String(port)],
    stdin: true,
    stdout: true,
  })
}

async function firstLine(stream: Readable): Promise<string> {
  const [line] = await once(createInterface({ input: stream }), 'line')
  return line
}
