import type { ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import { codeOf, invalidArgument, portsideError } from '../errors.js'
import { formatEndpoint } from '../loopback/endpoint.js'
import { describeType } from '../message.js'
import { milliseconds } from '../numbers.js'
import { descendantsOf, end, endGroup, isRunning } from '../platform/process-tree.js'
import { onAbort } from '../signals.js'
import { socketTable } from '../socket-table/socket-table.js'
import { closedBy } from '../sockets/infrastructure.js'
import { clearTimeout, now, setTimeout } from '../timers.js'
import { type Launched, launch } from './launch.js'

export interface ChildExit {
  /** Null where a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

interface ChildOptions {
  cwd?: string | URL | undefined
  env: NodeJS.ProcessEnv
  grace?: number
  signal?: AbortSignal
  sockets?: readonly number[]
}

const DEFAULT_GRACE = 1000

/** How much of the end of each output is kept, in characters. */
const KEPT = 16_384

/** A program that we started, what it said last, and how it ended. */
export class Child {
  readonly process: ChildProcess
  /** Resolves when it runs; rejects with the system's error where it could not be started. */
  readonly spawned: Promise<void>
  readonly exited: Promise<ChildExit>
  readonly #grace: number
  readonly #launched: Launched
  readonly #output = { stdout: '', stderr: '' }
  #exit: ChildExit | undefined
  #stopping: Promise<ChildExit> | undefined

  /** `asked` is what its errors say was to be done. */
  constructor(
    private readonly asked: string,
    path: string,
    args: readonly string[],
    options: ChildOptions,
  ) {
    const { cwd, env, grace = DEFAULT_GRACE, signal, sockets = [] } = options
    this.#grace = milliseconds('grace', grace)
    this.#launched = launch(asked, path, args, { cwd, env, sockets })
    const { child, running } = this.#launched
    this.process = closedBy(child, 'stop() of what spawnListening() gave')
    this.spawned = running
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        this.#output[name] = (this.#output[name] + text).slice(-KEPT)
      })
    }
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, by) => {
        this.#exit = { code, signal: by }
        // Those that a program leaves behind when it ends by itself.
        if (this.#stopping === undefined && child.pid !== undefined) endGroup(child.pid)
        const forgotten = this.#stopping === undefined ? this.#launched.forget() : undefined
        // Its last words may still be in the pipe; a process that it left behind may keep that open for ever.
        const told = async (): Promise<void> => {
          await forgotten
          resolve({ code, signal: by })
        }
        const timer = setTimeout(told, LAST_WORDS)
        child.once('close', () => {
          clearTimeout(timer)
          void told()
        })
      })
      child.once('error', () => {
        if (child.pid !== undefined) return
        void this.#launched.forget()
        resolve({ code: null, signal: null })
      })
    })
    this.exited.then(onAbort(signal, () => void this.stop()))
  }

  get stdout(): string {
    return this.#output.stdout
  }

  get stderr(): string {
    return this.#output.stderr
  }

  /** It has ended, and nobody here had asked for it. */
  get endedByItself(): boolean {
    return this.#exit !== undefined && this.#stopping === undefined && !this.process.killed
  }

  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<ChildExit> {
    if (typeof signal !== 'string' || !Object.hasOwn(constants.signals, signal))
      return Promise.reject(unknownSignal(signal))
    this.#stopping ??= this.#stop(signal)
    return this.#stopping
  }

  async #stop(signal: NodeJS.Signals): Promise<ChildExit> {
    const { pid } = this.process
    const ended = this.#exit !== undefined
    const family = pid === undefined || ended ? [] : descendantsOf(pid)
    if (!ended) this.process.kill(signal)
    for (const other of family) end(other, signal)
    const timer = setTimeout(() => {
      if (this.#exit === undefined) this.process.kill('SIGKILL')
      for (const other of family) end(other, 'SIGKILL')
    }, this.#grace)
    const exit = await this.exited
    for (const limit = now() + this.#grace + KILL_LIMIT; family.some(isRunning) && now() < limit; ) {
      await new Promise((resolve) => void setTimeout(resolve, 5))
    }
    clearTimeout(timer)
    if (pid !== undefined && !ended) {
      endGroup(pid)
      await this.#launched.forget()
    }
    this.process.stdout?.destroy()
    this.process.stderr?.destroy()
    return exit
  }

  /** That it does not listen, as an error that has what it said so far. */
  silent(cause: unknown): Error {
    const seen = (cause as { actual?: string }).actual
    const error = portsideError(codeOf(cause) ?? 'ERR_PORTSIDE_WAIT_TIMEOUT', {
      headline: `Cannot ${this.asked}: the program runs and does not listen on the port in PORT`,
      actual: [seen, lastWords(this.stderr || this.stdout)].filter(Boolean).join('; and '),
      because: elsewhere(this.process.pid),
      next: 'see whether it reads PORT and listens on this family, or give a longer timeout',
      cause,
    })
    return Object.assign(error, { stderr: this.stderr, stdout: this.stdout })
  }

  /** The end of the program as an error that has what it said last. */
  failure({ code, signal }: ChildExit, { listened }: { listened: boolean }): Error {
    const how = signal === null ? `with code ${code}` : `by ${signal}`
    const error = portsideError('ERR_PORTSIDE_CHILD_EXITED', {
      headline: listened
        ? `The program ended by itself, ${how}`
        : `Cannot ${this.asked}: the program ended before it listened, ${how}`,
      actual: lastWords(this.stderr || this.stdout),
      because: /EADDRINUSE|address already in use/i.test(this.stderr) ? TAKEN : undefined,
      next: 'run the program by hand with the same arguments and PORT set',
    })
    return Object.assign(error, { exitCode: code, signal, stderr: this.stderr, stdout: this.stdout })
  }
}

/** Where the program, or one that it has started, listens instead; undefined if nowhere, or if the system does not tell. */
function elsewhere(pid: number | undefined): string | undefined {
  if (pid === undefined) return undefined
  try {
    const family = new Set([pid, ...descendantsOf(pid).map((other) => other.pid)])
    const listeners = [...socketTable({ protocol: 'tcp', state: 'LISTEN' })].filter(
      (entry) => entry.pid !== undefined && family.has(entry.pid),
    )
    const places = listeners.map(({ local }) => (typeof local === 'string' ? local : formatEndpoint(local)))
    return places.length === 0 ? undefined : `the program listens on ${places.join(' and ')}`
  } catch {
    return undefined
  }
}

const TAKEN =
  'by descriptor it has the listening socket as descriptor 3 already, and cannot bind another; by port it must set SO_REUSEADDR, because the port is held until it listens (socket(7))'

/** How long output may come after the exit, in milliseconds. */
const LAST_WORDS = 200

function lastWords(said: string): string {
  if (said.trim() === '') return 'no output of the program'
  const lines = said.trim().split('\n').slice(-20)
  return `this output of the program\n${lines.map((line) => `  ${line}`).join('\n')}`
}

/** Longest that a process which was sent SIGKILL is waited for, in milliseconds. */
const KILL_LIMIT = 1000

function unknownSignal(signal: unknown): Error {
  const expected = 'the name of a signal of this system, such as SIGTERM'
  if (typeof signal !== 'string') return invalidArgument('ERR_INVALID_ARG_TYPE', 'signal', expected, signal)
  return portsideError('ERR_UNKNOWN_SIGNAL', {
    headline: 'Cannot stop the program',
    argument: 'signal',
    expected,
    actual: describeType(signal),
    next: 'leave the signal out, or take one of os.constants.signals',
  })
}
