import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import type { Target } from '../support/clients.js'

const PROGRAM = fileURLToPath(new URL('../../fixtures/programs/connecting-client.mjs', import.meta.url))

/** See fixtures/programs/connecting-client.mjs. */
export interface ForeignOptions {
  target: Target
  count?: number
  /** Sent by each connection as soon as it is connected. */
  write?: string
  allowHalfOpen?: boolean
  /** `'later'`: reads only after `read()`. Default true. */
  reads?: boolean | 'later'
  secure?: boolean
}

export interface ForeignEvent {
  index: number
  event: 'connect' | 'data' | 'end' | 'error' | 'close'
  port?: number
  code?: string
  data?: string
  bytes?: number
}

/** Clients in another process, which portside does not know. */
export interface ForeignPeer {
  readonly pid: number
  readonly events: readonly ForeignEvent[]
  /** Names of the events of one connection, in the order they came; 'data' is left out. */
  namesOf(index?: number): string[]
  /** Everything that one connection has received. */
  textOf(index?: number): string
  /** How many bytes a connection that reads later had received when it ended. */
  bytesOf(index?: number): number | undefined
  codes(): string[]
  write(text: string): void
  /** Starts reading. */
  read(): void
  /** Waits until this many events of the name have happened. */
  heard(event: ForeignEvent['event'], count?: number): Promise<void>
  /** Waits for the exit of the process, which exits when all its connections are closed. */
  readonly exited: Promise<void>
  /** Kills the process with SIGKILL, and waits for its exit. */
  kill(): Promise<void>
}

export function spawnPeer(options: ForeignOptions): ForeignPeer {
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const events: ForeignEvent[] = []
  const waiting = new Set<() => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    events.push(JSON.parse(line) as ForeignEvent)
    for (const check of waiting) check()
  })
  child.stdin.on('error', () => {})
  const exited = once(child, 'close').then(() => undefined)
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  onTestFinished(kill)
  return {
    pid: child.pid as number,
    events,
    namesOf: (index = 0) => events.filter((e) => e.index === index && e.event !== 'data').map(({ event }) => event),
    textOf: (index = 0) =>
      events.flatMap((e) => (e.index === index && e.event === 'data' ? [e.data ?? ''] : [])).join(''),
    bytesOf: (index = 0) => events.find((e) => e.index === index && e.event === 'end')?.bytes,
    read: () => void child.stdin.write('null\n'),
    codes: () => events.flatMap(({ code }) => code ?? []),
    write: (text) => void child.stdin.write(`${JSON.stringify(text)}\n`),
    heard: (event, count = 1) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (events.filter((e) => e.event === event).length < count) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      }),
    exited,
    kill,
  }
}
