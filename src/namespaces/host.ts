import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { readArgument } from '../argument.js'
import { invalidArgument, portsideError } from '../errors.js'
import { mostOpenFiles } from '../platform/private-networks.js'
import { checkCommand, programOf } from '../programs/command.js'
import { onAbort, refuseAborted } from '../signals.js'
import { clearTimeout, setTimeout } from '../timers.js'
import { Holder, type HolderOptions } from './holder.js'
import { checkProfile, type HostProfile } from './profile.js'
import { type Neighbours, stepsOf } from './set-up.js'
import { checkSpawnValues } from './spawn-options.js'
import { programEnded, standIn } from './stand-in.js'
import { toolPath } from './tools.js'

export interface HostOptions extends HolderOptions {
  /** The other hosts of its network. */
  readonly neighbours?: Neighbours
}

/** The options of `child_process.spawn()`, without a shell, another user and another name, which are not possible here. */
export type HostSpawnOptions = Omit<SpawnOptions, 'shell' | 'uid' | 'gid' | 'argv0'>

/** A private network in which programs run. */
export class PrivateHost implements AsyncDisposable {
  readonly #holder: Holder
  readonly #profile: HostProfile
  readonly #children = new Set<ChildProcess>()
  #closed = false

  private constructor(holder: Holder, profile: HostProfile) {
    this.#holder = holder
    this.#profile = profile
  }

  /** Rejects as `Holder.start()`, and as `checkProfile()`. */
  static async start(profile: HostProfile = {}, options: HostOptions = {}): Promise<PrivateHost> {
    checkProfile(profile)
    checkOpenFiles(profile)
    toolPath('nsenter')
    return new PrivateHost(await Holder.start(stepsOf(profile, options.neighbours), options), profile)
  }

  get pid(): number {
    return this.#holder.pid
  }

  /** Throws as `checkSpawn()`, and ENOENT or EACCES if the command cannot be run. */
  spawn(command: string, args: readonly string[] = [], options: HostSpawnOptions = {}): ChildProcess {
    checkSpawn(command, args, options)
    const asked = `start ${command} in a private network`
    if (this.#closed) {
      throw portsideError('ERR_PORTSIDE_NAMESPACE', {
        headline: `Cannot ${asked}`,
        because: 'the private network is closed',
        next: 'start it before you close the network',
      })
    }
    const { cwd = process.cwd(), detached = false } = options
    const program = programOf(command, args, options, asked)
    const { hasPids, entrance } = this.#holder
    const entered = [
      ...entrance,
      '--',
      ...(hasPids && detached ? [toolPath('setsid')] : []),
      ...this.#wrapped(typeof cwd === 'string' ? cwd : fileURLToPath(cwd)),
      program,
      ...args,
    ]
    refuseAborted(options.signal, asked)
    const aborting = options.signal && new AbortController()
    const forget = onAbort(options.signal, () => aborting?.abort(options.signal?.reason))
    // Each program gets its own signal: Node would add a listener to the user's signal for each.
    const outside = { ...options, detached: detached && !hasPids }
    const own = aborting === undefined ? outside : { ...outside, signal: aborting.signal }
    const child = readArgument('stdio', 'streams and descriptors that a program can have', options.stdio, () =>
      spawn(toolPath('nsenter'), entered, own),
    )
    if (hasPids) standIn(child)
    child.once('exit', forget).once('error', forget)
    this.#children.add(child)
    child.once('close', () => this.#children.delete(child)).once('error', () => this.#children.delete(child))
    // The user sees the program instead of nsenter.
    return Object.assign(child, { spawnfile: command, spawnargs: [command, ...args] })
  }

  /** Runs a command of ip(8) in it. */
  ip(command: string, signal?: AbortSignal): Promise<void> {
    return this.#holder.ip(command, signal)
  }

  /** Ends all programs in it. Resolves when they have closed. Does not wait for a program whose output nothing reads. */
  async close(): Promise<void> {
    this.#closed = true
    // The holder does not see a program that is just entering.
    for (const child of this.#children) child.kill('SIGKILL')
    await this.#holder.close()
    await Promise.all([...this.#children].map(closed))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** The tools between nsenter and the program. Each becomes the next. */
  #wrapped(cwd: string): string[] {
    const { openFiles } = this.#profile
    // A process that joins a mount namespace starts at its root (setns(2)).
    const back = this.#holder.entrance.includes('--mount') ? [toolPath('unshare'), `--wd=${cwd}`, '--'] : []
    const limited = openFiles === undefined ? [] : [toolPath('prlimit'), `--nofile=${openFiles}:${openFiles}`, '--']
    return [...back, ...limited]
  }
}

export { programEnded }

/** Resolves when an ended program has closed its streams, or after a second if nothing reads them. */
function closed(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, UNREAD)
    child.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

const UNREAD = 1000

/** Throws ERR_INVALID_ARG_TYPE or ERR_INVALID_ARG_VALUE. */
export function checkSpawn(command: string, args: readonly string[], options: HostSpawnOptions): void {
  checkCommand(command, args, options)
  checkSpawnValues(options)
  for (const name of ['shell', 'uid', 'gid', 'argv0'] as const) {
    const value = (options as SpawnOptions)[name]
    if (value !== undefined && value !== false) {
      throw invalidArgument(
        'ERR_INVALID_ARG_VALUE',
        name,
        'no value, because a private network does not support it',
        value,
      )
    }
  }
}

/** Checked here: otherwise the program would exit immediately if this user may not raise the limit. */
function checkOpenFiles({ openFiles }: HostProfile): void {
  const most = mostOpenFiles()
  if (openFiles !== undefined && most !== undefined && openFiles > most && process.geteuid?.() !== 0) {
    throw invalidArgument('ERR_OUT_OF_RANGE', 'openFiles', `at most ${most}, the hard limit of this process`, openFiles)
  }
}
