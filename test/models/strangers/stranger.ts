import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { basename, join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import type { Writable } from 'node:stream'
import type { Schedule } from './schedule.js'

export const fixture = (name: string): string => join(import.meta.dirname, '../../../fixtures/programs', name)

/** Milliseconds on a clock that all processes of a host share (CLOCK_MONOTONIC). */
export const clock = (): number => Number(process.hrtime.bigint()) / 1e6

interface Told {
  readonly at: number
  readonly event: 'started' | 'opened' | 'failed' | 'closed'
}

/** A listener at the place where a program should listen. */
export interface Stranger {
  readonly pid: number
  /** Its name in messages; undefined for this process. */
  readonly program: string | undefined
  open(host: string, port: number): Promise<Told>
  close(): Promise<Told>
  end(): Promise<void>
}

export async function strangerOf(kind: Schedule['stranger']['kind'], python: string): Promise<Stranger> {
  if (kind === 'this process') return new ThisProcess()
  const [command, file] =
    kind === 'node' ? [process.execPath, 'listen-on-command.mjs'] : [python, 'listen-on-command.py']
  const stranger = new OtherProcess(spawn(command, [fixture(file)], { stdio: ['pipe', 'pipe', 'inherit'] }), command)
  await stranger.hears()
  return stranger
}

class OtherProcess implements Stranger {
  readonly pid: number
  readonly program: string
  readonly #child: ChildProcess
  readonly #lines: Interface

  constructor(child: ChildProcess, command: string) {
    this.pid = child.pid as number
    this.program = basename(command)
    this.#child = child
    this.#lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  }

  async hears(): Promise<Told> {
    const [line] = await once(this.#lines, 'line')
    return JSON.parse(line)
  }

  open(host: string, port: number): Promise<Told> {
    return this.#tell({ host, port })
  }

  close(): Promise<Told> {
    return this.#tell(null)
  }

  async end(): Promise<void> {
    const closed = once(this.#child, 'close')
    ;(this.#child.stdin as Writable).end()
    await closed
  }

  #tell(word: object | null): Promise<Told> {
    const told = this.hears()
    ;(this.#child.stdin as Writable).write(`${JSON.stringify(word)}\n`)
    return told
  }
}

class ThisProcess implements Stranger {
  readonly pid = process.pid
  readonly program = undefined
  #server: net.Server | undefined

  open(host: string, port: number): Promise<Told> {
    const server = net.createServer((socket) => void socket.on('error', () => {}).end(`${process.pid}`))
    return new Promise((resolve) => {
      server.once('error', () => resolve({ at: clock(), event: 'failed' }))
      server.listen({ host, port }, () => {
        this.#server = server
        resolve({ at: clock(), event: 'opened' })
      })
    })
  }

  async close(): Promise<Told> {
    const server = this.#server
    this.#server = undefined
    if (server !== undefined) await new Promise((resolve) => server.close(resolve))
    return { at: clock(), event: 'closed' }
  }

  async end(): Promise<void> {
    await this.close()
  }
}
