import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished } from 'vitest'
import { type ListeningChild, type PortsideError, type SpawnListeningOptions, spawnListening } from '../../src/index.js'
import { HERE } from '../support/here.js'

export const node: string = process.execPath

export const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../fixtures/programs/${name}`, import.meta.url))

/** The fields of an error of spawnListening. */
export interface Failure extends PortsideError {
  readonly stdout: string
  readonly stderr: string
  readonly output: string
  readonly exitCode: number | null
  readonly lastAnswer: { readonly status?: number; readonly body?: string; readonly error?: Error }
  readonly listensOn: readonly unknown[]
  readonly owners: ReadonlyArray<{ readonly pid: number }>
}

/** The arguments of Node for a program that can use `HERE`, `PORT` and `listen(server)`. */
export function program(code: string): [string, string] {
  const known = [
    `const HERE = ${JSON.stringify(HERE)}`,
    'const PORT = Number(process.env.PORT)',
    "const net = require('node:net')",
    "const server = (port = PORT, host = HERE) => net.createServer((socket) => socket.on('error', () => {}).end()).listen({ port, host })",
    'const stay = () => setInterval(() => {}, 60_000)',
  ]
  return ['-e', `${known.join('\n')}\n${code}`]
}

/** Starts a program of Node. */
export const start = (code: string, options: SpawnListeningOptions = {}): Promise<ListeningChild> =>
  spawnListening(node, program(code), options)

/**
 * The error of a wait that is never ready. The wait is short. If the machine is so slow that the message does not contain
 * `seen` yet, it repeats, longer each time.
 */
export async function unready(
  wait: (timeout: number) => PromiseLike<unknown>,
  seen: RegExp,
  shortest = 150,
): Promise<Failure> {
  for (let timeout = shortest; ; timeout *= 2) {
    const failure = await failureOf(wait(timeout))
    if (seen.test(failure.message) || timeout > 5000) return failure
  }
}

/** The error with which it rejects. If it starts a program instead, the program is stopped. */
export async function failureOf(promise: PromiseLike<unknown>): Promise<Failure> {
  let unexpected: unknown
  try {
    unexpected = await promise
  } catch (error) {
    return error as Failure
  }
  await (unexpected as Partial<ListeningChild> | undefined)?.stop?.()
  return expect.unreachable('it was to fail')
}

/** Whether the process runs and is not a zombie. */
export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.charAt(stat.lastIndexOf(')') + 2) !== 'Z'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && process.platform !== 'linux'
  }
}

/** A failure must not leave a process. */
export function killsAtTheEnd(...pids: number[]): void {
  onTestFinished(() => {
    for (const pid of pids.filter(runs)) process.kill(pid, 'SIGKILL')
  })
}
