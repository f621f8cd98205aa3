import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { codeOf } from '../errors.js'
import { flagOfDenial, whyDenied } from '../platform/permissions.js'
import { isRootOfTheMachine, whyNoPrivateNetworks } from '../platform/private-networks.js'
import { childrenOf } from '../platform/process-tree.js'
import { refuseAborted } from '../signals.js'
import { infrastructure } from '../sockets/infrastructure.js'
import { whenOverdue } from '../timers.js'
import { Answers, PATIENCE } from './answers.js'
import { ASKED, failed, unsupported } from './failures.js'
import { argumentsOf, HOLDER_SCRIPT } from './holder-script.js'
import { hasOwnFiles, type Step } from './set-up.js'
import { toolPath } from './tools.js'

export interface HolderOptions {
  /** Whether the user of this process is root inside. */
  readonly root?: boolean
  /** The holder in whose user namespace it is made, so that the two can be linked. Default: that of this process. */
  readonly within?: Holder
  readonly signal?: AbortSignal | undefined
  /** Whether it may have a pid namespace. Default: true. False if its ip(8) gets pids of this machine. */
  readonly pids?: boolean
  /** Longest time for one step, in milliseconds. Default: 10 000. */
  readonly patience?: number
}

/**
 * A shell in a network namespace, with the rights to set it up. It keeps the namespace while no other process is in it. It ends
 * the processes in it on request, or when its standard input ends, which happens however this process ends.
 */
export class Holder {
  readonly #shell: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #answers: Answers
  readonly #patience: number
  /** The options of nsenter(1) that join it. */
  readonly entrance: readonly string[]
  #closing: Promise<void> | undefined
  #asking: Promise<unknown> = Promise.resolve()

  /** The pid of the first process in it, on this machine. */
  readonly pid: number

  private constructor(
    shell: ChildProcess,
    pid: number,
    answers: Answers,
    entrance: readonly string[],
    patience: number,
  ) {
    this.#shell = shell
    this.pid = pid
    this.#answers = answers
    this.#patience = patience
    this.entrance = entrance
    this.#exited = new Promise((resolve) => void shell.once('close', resolve))
  }

  /** Whether it has a pid namespace: a process that joins it then has the program as its child. */
  get hasPids(): boolean {
    return this.entrance.includes('--pid')
  }

  /**
   * Rejects with ERR_PORTSIDE_UNSUPPORTED if no namespace can be made, ERR_PORTSIDE_NAMESPACE if a step fails or takes longer
   * than the patience, and ABORT_ERR immediately when the signal aborts. Then nothing of it is left.
   */
  static async start(steps: readonly Step[], options: HolderOptions = {}): Promise<Holder> {
    const why = whyNoPrivateNetworks()
    if (why !== undefined) throw unsupported(why)
    const { pids = true } = options
    if (!pids || !pidsPossible) return Holder.#start(steps, options, false)
    try {
      return await Holder.#start(steps, options, true)
    } catch (error) {
      if (codeOf(error) !== 'ERR_PORTSIDE_UNSUPPORTED') throw error
    }
    const holder = await Holder.#start(steps, options, false)
    pidsPossible = false
    return holder
  }

  static async #start(steps: readonly Step[], options: HolderOptions, pids: boolean): Promise<Holder> {
    const { within, signal, patience = PATIENCE } = options
    const ownUsers = !isRootOfTheMachine()
    // A pid namespace needs its own proc(5).
    const ownFiles = pids || hasOwnFiles(steps)
    toolPath('ip')
    const join = within === undefined ? [] : [toolPath('nsenter'), ...within.joinUsers(), '--']
    const kinds = [
      ...(ownUsers ? users(options) : []),
      '--net',
      ...(ownFiles ? ['--mount'] : []),
      ...(pids ? OWN_PIDS : []),
    ]
    const script = ['/bin/sh', '-c', HOLDER_SCRIPT, 'portside-host', ...argumentsOf(steps)]
    const [program = '', ...args] = [...join, toolPath('unshare'), ...kinds, '--', ...script]
    refuseAborted(signal, ASKED)
    const shell = started(program, args)
    const answers = new Answers(shell, steps, patience)
    let pid: number | undefined
    try {
      await answers.ready(signal)
      pid = pids ? childrenOf(shell.pid as number)[0] : shell.pid
      // A kernel without CONFIG_PROC_CHILDREN.
      if (pid === undefined) throw unsupported('proc(5) does not list the children of a process')
    } catch (error) {
      answers.giveUp()
      throw error
    }
    letGo(shell)
    const entrance = [
      '--target',
      String(pid),
      ...(ownUsers ? ['--user', '--preserve-credentials'] : []),
      '--net',
      ...(ownFiles ? ['--mount'] : []),
      ...(pids ? ['--pid'] : []),
    ]
    return new Holder(shell, pid, answers, entrance, patience)
  }

  /** Runs a command of ip(8) in it. Rejects with ERR_PORTSIDE_NAMESPACE or ABORT_ERR; then the holder is gone. */
  ip(command: string, signal?: AbortSignal): Promise<void> {
    const asked = this.#asking.then(async () => {
      if (this.#closing !== undefined) throw failed(`run 'ip ${command}'`, 'a private network that is closed')
      // Keeps this process alive until the shell has answered.
      this.#shell.ref()
      ;(this.#shell.stdin as Writable).write(`${command}\n`)
      await this.#answers.done(`run 'ip ${command}'`, signal)
      this.#shell.unref()
    })
    this.#asking = asked.catch(() => {})
    return asked
  }

  /** Ends everything in it, by force if it does not answer in time. Later calls share the promise. */
  close(): Promise<void> {
    this.#closing ??= this.#asking.then(async () => {
      this.#shell.ref()
      ;(this.#shell.stdin as Writable).end('end\n')
      const cancel = whenOverdue(this.#patience, () => this.#answers.giveUp())
      await this.#exited
      cancel()
    })
    return this.#closing
  }

  private joinUsers(): string[] {
    return this.entrance.includes('--user') ? ['--target', String(this.pid), '--user', '--preserve-credentials'] : []
  }
}

/** Found out once, by making one: a container may forbid to mount proc(5). */
let pidsPossible = true

const OWN_PIDS = ['--pid', '--fork', '--kill-child', '--mount-proc']

/** The user keeps its id, or is root. The shell keeps the rights of the creator of a user namespace. */
function users({ root = false }: HolderOptions): string[] {
  const [uid, gid] = root ? [0, 0] : [process.geteuid?.() ?? 0, process.getegid?.() ?? 0]
  return ['--user', `--map-user=${uid}`, `--map-group=${gid}`, '--keep-caps']
}

/** In its own session: signals for the group of this process do not reach it, and one signal ends it with its tools. */
function started(program: string, args: readonly string[]): ChildProcess {
  const { PATH } = process.env
  const env = { LC_ALL: 'C', ...(PATH === undefined ? {} : { PATH }) }
  try {
    const shell = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env, cwd: '/', detached: true })
    for (const stream of shell.stdio) if (stream) infrastructure(stream)
    // If the shell is gone, writes fail. Its exit is handled elsewhere.
    shell.stdin?.on('error', () => {})
    return infrastructure(shell)
  } catch (error) {
    const flag = flagOfDenial(error)
    throw failed(ASKED, flag === undefined ? `${codeOf(error) ?? 'an error'} from spawn(2)` : whyDenied(flag), error)
  }
}

/** Private networks do not keep this process alive: they end with it. */
function letGo(shell: ChildProcess): void {
  shell.unref()
  for (const stream of shell.stdio) (stream as (Readable & { unref?(): void }) | null)?.unref?.()
}
