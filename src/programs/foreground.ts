import { type ChildProcess, spawn } from 'node:child_process'
import { codeOf, portsideError } from '../errors.js'
import { end } from '../platform/process-tree.js'
import { marked, ProgramFamily } from '../platform/program-family.js'
import { setTimeout } from '../timers.js'
import type { ChildExit } from './child.js'
import { programOf } from './command.js'
import { endFamily } from './end-family.js'
import { adviceFor } from './launch.js'
import { type Watchdog, watchdog } from './watchdog.js'

/**
 * A program with the standard streams and the terminal of this process. It stays in the process group of this process, to
 * which a terminal sends its signals. The watchdog ends it when this process ends, as the programs of `spawnListening()`.
 */
export class ForegroundProgram {
  /** Rejects with the system's error if the program cannot be started. */
  readonly exited: Promise<ChildExit>
  readonly #child: ChildProcess
  readonly #family: ProgramFamily | undefined
  #hasEnded = false

  constructor(
    private readonly command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
  ) {
    const dog = watchdog()
    const mark = dog?.nextMark()
    this.#child = spawn(command, args, { stdio: 'inherit', env: marked(env, mark) })
    this.#family = this.#child.pid === undefined ? undefined : new ProgramFamily(this.#child.pid, mark)
    this.exited = this.#ended(dog)
  }

  /** Throws ENOENT or EACCES if the program does not exist or is not executable. */
  static check(command: string, args: readonly string[]): void {
    programOf(command, args, {}, `start ${command}`)
  }

  /** `all`: also sends it to the processes that the program started, as a terminal does. */
  kill(signal: NodeJS.Signals, all: boolean): void {
    const members = all ? this.#family?.members() : undefined
    if (members === undefined || members.length === 0) this.#child.kill(signal)
    else for (const one of members) end(one, signal)
  }

  /**
   * Waits until the program has exited after a signal. The processes that it left then get the signal too. When the grace is
   * over, SIGKILL ends all of them.
   */
  async end(signal: NodeJS.Signals, grace: number): Promise<void> {
    if (this.#family === undefined) return
    const over = new Promise((resolve) => void setTimeout(resolve, grace).unref())
    await Promise.race([this.exited, over])
    await endFamily(this.#child, this.#family, this.#hasEnded ? signal : 'SIGKILL', this.#hasEnded ? grace : 0)
  }

  #notStarted(cause: Error): Error {
    return portsideError(codeOf(cause) ?? 'ERR_PORTSIDE_CHILD_EXITED', {
      headline: `Cannot start ${this.command}`,
      actual: cause.message,
      next: adviceFor(cause) ?? 'check that the file is for this system and that its interpreter exists',
      cause,
    })
  }

  async #ended(dog: Watchdog | undefined): Promise<ChildExit> {
    const { pid } = this.#child
    const exit = new Promise<ChildExit>((resolve, reject) => {
      this.#child.once('error', (cause) => reject(this.#notStarted(cause)))
      this.#child.once('exit', (code, signal) => {
        this.#hasEnded = true
        resolve({ code, signal })
      })
    })
    try {
      if (pid !== undefined) await dog?.watch(pid)
      return await exit
    } finally {
      await dog?.release(pid)
    }
  }
}
