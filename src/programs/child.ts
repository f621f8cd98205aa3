import type { ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import { invalidArgument, portsideError } from '../errors.js'
import { describeType, escaped, listOf } from '../message.js'
import { milliseconds } from '../numbers.js'
import { ProgramFamily } from '../platform/program-family.js'
import { onAbort } from '../signals.js'
import { closedBy } from '../sockets/infrastructure.js'
import { clearTimeout, setTimeout } from '../timers.js'
import { type EndedFamily, type EndedProcess, endFamily, endLeftBehind } from './end-family.js'
import { type Launched, launch } from './launch.js'
import { Output, type OutputMode, type PrintedTo } from './output.js'

/** How a program exited. */
export interface ChildExit {
  /** Null if a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

interface ChildOptions {
  readonly cwd?: string | URL | undefined
  readonly env: NodeJS.ProcessEnv
  readonly grace?: number | undefined
  readonly stopSignal?: NodeJS.Signals | undefined
  readonly output?: OutputMode
  readonly printedTo?: PrintedTo | undefined
  readonly signal?: AbortSignal | undefined
  readonly sockets?: readonly number[]
}

const DEFAULT_GRACE = 1000

/** A program that portside started, with its output and its exit. */
export class Child {
  readonly process: ChildProcess
  /** Resolves when it runs. Rejects with the system's error if it cannot be started. */
  readonly spawned: Promise<void>
  readonly exited: Promise<ChildExit>
  readonly output: Output
  /** Undefined if the program could not be started. */
  readonly family: ProgramFamily | undefined
  readonly #grace: number
  readonly #stopSignal: NodeJS.Signals
  readonly #launched: Launched
  #ended: readonly EndedProcess[] = []
  #exit: ChildExit | undefined
  #stopping: Promise<ChildExit> | undefined

  /** `asked` begins the headline of its errors. */
  constructor(
    private readonly asked: string,
    path: string,
    args: readonly string[],
    options: ChildOptions,
  ) {
    const { cwd, env, grace = DEFAULT_GRACE, stopSignal = 'SIGTERM', output = 'buffer', signal, sockets = [] } = options
    this.#grace = milliseconds('grace', grace)
    this.#stopSignal = stopSignal
    this.#launched = launch(asked, path, args, { cwd, env, sockets })
    const { child, running, mark } = this.#launched
    this.process = closedBy(
      child,
      'spawnListening() with a timeout below that of the test, or give the test more time: the program was still starting',
    )
    this.family = child.pid === undefined ? undefined : new ProgramFamily(child.pid, mark)
    this.spawned = running
    this.output = new Output(child, output, options.printedTo)
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, by) => {
        this.#exit = { code, signal: by }
        const byItself = this.endedByItself
        const forgotten = this.#stopping === undefined ? this.#endedByItself() : undefined
        // Output may still be in the pipe. A process that the program left may keep the pipe open permanently.
        const told = async (): Promise<void> => {
          await forgotten
          if (byItself && code !== 0) this.output.failed()
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
    this.exited.then(onAbort(signal, () => void this.stop().catch(() => {})))
  }

  get stdout(): string {
    return this.output.stdout
  }

  get stderr(): string {
    return this.output.stderr
  }

  /** The processes of the program that portside ended, by `stop()` or after the program had exited and left them. */
  get ended(): readonly EndedProcess[] {
    return this.#ended
  }

  /** The program has exited, and portside had not stopped it. */
  get endedByItself(): boolean {
    return this.#exit !== undefined && this.#stopping === undefined && !this.process.killed
  }

  stop(signal: NodeJS.Signals = this.#stopSignal): Promise<ChildExit> {
    try {
      checkSignal('signal', signal)
    } catch (error) {
      return Promise.reject(error)
    }
    this.#stopping ??= this.#stop(signal)
    return this.#stopping
  }

  async #stop(signal: NodeJS.Signals): Promise<ChildExit> {
    if (this.family !== undefined && this.#exit === undefined) {
      const { ended, refused } = await endFamily(this.process, this.family, signal, this.#grace)
      this.#ended = ended
      await this.#launched.forget()
      if (refused.length > 0) {
        this.#leave()
        throw this.#notStopped(refused)
      }
    }
    const exit = await this.exited
    this.#leave()
    return exit
  }

  #leave(): void {
    this.process.unref()
    this.process.stdout?.destroy()
    this.process.stderr?.destroy()
  }

  #notStopped(refused: EndedFamily['refused']): Error {
    return portsideError('EPERM', {
      headline: `Cannot stop ${refused.length === 1 ? 'a process' : `${refused.length} processes`} of the program: this process may not send signals to ${refused.length === 1 ? 'it' : 'them'}`,
      owner: listOf(refused, named),
      because: 'another user runs these processes (kill(2))',
      next: 'end them as their user, or start the program without sudo or setpriv',
    })
  }

  #endedByItself(): Promise<void> | undefined {
    if (this.family !== undefined) this.#ended = endLeftBehind(this.family)
    return this.#launched.forget()
  }

  /** The exit of the program as an error with the end of its output. */
  failure({ code, signal }: ChildExit, { listened, because, owner, next }: FailureDetails): Error {
    const how = signal === null ? `exited with code ${code}` : `was ended by ${signal}`
    const left = this.#ended
    const forked = !listened && left.length > 0
    const error = portsideError('ERR_PORTSIDE_CHILD_EXITED', {
      headline: listened
        ? `The program ${how} before stop() was called`
        : `Cannot ${this.asked}: the program ${how} before it was ready`,
      actual: this.output.describe(),
      because:
        because ?? (forked ? `it left processes running, which portside ended:\n${listOf(left, named)}` : undefined),
      owner,
      next:
        next ??
        (forked
          ? 'keep the program in the foreground: pass its option that turns daemon mode off'
          : 'run the program by hand with the same arguments and environment'),
    })
    return Object.assign(error, { exitCode: code, signal, stderr: this.stderr, stdout: this.stdout })
  }
}

interface FailureDetails {
  readonly listened: boolean
  readonly because?: string | undefined
  readonly owner?: string | undefined
  readonly next?: string | undefined
}

const named = ({ pid, program }: Pick<EndedProcess, 'pid' | 'program'>): string =>
  `pid ${pid}${program ? ` (${escaped(program)})` : ''}`

/** How long portside waits for output after the exit, in milliseconds. */
const LAST_WORDS = 200

/** Throws ERR_INVALID_ARG_TYPE or ERR_UNKNOWN_SIGNAL. */
export function checkSignal(argument: string, signal: unknown): asserts signal is NodeJS.Signals {
  const expected = 'the name of a signal of this system, such as SIGTERM'
  if (typeof signal !== 'string') throw invalidArgument('ERR_INVALID_ARG_TYPE', argument, expected, signal)
  if (Object.hasOwn(constants.signals, signal)) return
  const actual = describeType(signal)
  const next = `leave ${argument} out, or pass one of os.constants.signals`
  const headline = `Invalid \`${argument}\`: expected ${expected}, got ${actual}`
  throw portsideError('ERR_UNKNOWN_SIGNAL', { headline, argument, expected, actual, next }, { next })
}
