import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { portLockName } from '../../src/platform/port-lock.js'
import { lockPort, type PortLock } from '../../src/ports/lock.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

const programs = new URL('../../fixtures/programs/', import.meta.url)

/** Above all ports, so that no reservation of another test has the lock. */
let port = 1_000_000 + process.pid * 100
beforeEach(() => {
  port++
})

// Lock files are put into the temporary directory: one that nobody else uses, and that is empty afterwards.
const temporary = process.env.TMPDIR
let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'portside-test-'))
  process.env.TMPDIR = directory
})
afterEach(async () => {
  const left = await readdir(directory)
  if (temporary === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = temporary
  await rm(directory, { recursive: true })
  expect(left).toEqual([])
})

const KINDS = [
  {
    kind: 'a name',
    platform: process.platform,
    missing: portLockName(1) ? undefined : 'this system has no such names',
  },
  { kind: 'a lock file', platform: 'darwin', missing: undefined },
] as const

describe.each(KINDS)('by $kind', ({ platform, missing }) => {
  beforeEach((context) => {
    if (missing !== undefined) context.skip(missing)
  })

  it('is had by one at a time, and by the next as soon as it is released', async () => {
    for (let round = 0; round < 3; round++) {
      const lock = (await lockPort(port, platform)) as PortLock
      expect(lock).toBeDefined()
      expect(await lockPort(port, platform)).toBeUndefined()
      expect(await lockPort(port, platform)).toBeUndefined()
      await lock.release()
    }
  })

  it('is had by one of many who ask at once', async () => {
    const locks = await Promise.all(Array.from({ length: 20 }, () => lockPort(port, platform)))
    const had = locks.filter((lock) => lock !== undefined)
    expect(had).toHaveLength(1)
    await had[0]?.release()
  })

  it('is of one port: others have their own', async () => {
    const locks = await Promise.all([lockPort(port, platform), lockPort(port + 1, platform)])
    expect(locks).toEqual([expect.anything(), expect.anything()])
    await Promise.all(locks.map((lock) => lock?.release()))
    port++
  })

  it('is released once, however often it is asked to', async () => {
    const lock = await lockPort(port, platform)
    await Promise.all([lock?.release(), lock?.release()])
    await lock?.release()
    const next = await lockPort(port, platform)
    expect(next).toBeDefined()
    await next?.release()
  })

  it('keeps a thread and a process from it that ask for it, too', async () => {
    const lock = await lockPort(port, platform)
    const [thread, other] = [startThread(port, platform), startProgram(port, platform)]
    expect(await Promise.all([firstLine(thread.stdout), firstLine(other.stdout)])).toEqual(['taken', 'taken'])
    await lock?.release()
    thread.stdin?.end()
    other.stdin.end()
    await Promise.all([once(thread, 'exit'), once(other, 'close')])
  })

  it.each(['thread', 'process'] as const)(
    'is free when the %s that has it ends, which it keeps from nothing',
    async (of) => {
      const holder = of === 'thread' ? startThread(port, platform) : startProgram(port, platform)
      expect(await firstLine(holder.stdout as Readable)).toBe('held')
      expect(await lockPort(port, platform)).toBeUndefined()
      // The lock itself is nothing that it would stay for.
      holder.stdin?.end()
      // A process also has its pipes until 'close'.
      expect(await once(holder, of === 'thread' ? 'exit' : 'close')).toContain(0)
      const lock = await lockPort(port, platform)
      expect(lock).toBeDefined()
      await lock?.release()
    },
  )
})

it('by a name is free at once when the process that has it is killed', async (context) => {
  if (portLockName(port) === undefined) context.skip('this system has no such names')
  const holder = startProgram(port, process.platform)
  expect(await firstLine(holder.stdout)).toBe('held')
  holder.kill('SIGKILL')
  await once(holder, 'close')
  const lock = await lockPort(port)
  expect(lock).toBeDefined()
  await lock?.release()
})

it('by a lock file has a file as long as it is held', async () => {
  const file = join(directory, `portside-tcp-${port}.lock`)
  const lock = await lockPort(port, 'darwin')
  expect(existsSync(file)).toBe(true)
  await lock?.release()
  expect(existsSync(file)).toBe(false)
})

it('by a lock file is free some seconds after the process that had it was killed', { timeout: 20_000 }, async () => {
  const holder = startProgram(port, 'darwin')
  expect(await firstLine(holder.stdout)).toBe('held')
  holder.kill('SIGKILL')
  await once(holder, 'close')
  expect(await lockPort(port, 'darwin')).toBeUndefined()
  const lock = await vi.waitUntil(() => lockPort(port, 'darwin'), { timeout: 15_000, interval: 50 })
  await lock.release()
})

function startProgram(port: number, platform: string): ChildProcessWithoutNullStreams {
  const program = fileURLToPath(new URL('hold-lock.mjs', programs))
  const child = spawn(process.execPath, [program, String(port), platform])
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

function startThread(port: number, platform: string): Worker {
  return new Worker(new URL('hold-lock.mjs', programs), {
    argv: [String(port), platform],
    stdin: true,
    stdout: true,
  })
}

async function firstLine(stream: Readable): Promise<string> {
  const [line] = await once(createInterface({ input: stream }), 'line')
  return line
}
