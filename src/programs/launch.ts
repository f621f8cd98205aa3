import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { codeOf, portsideError } from '../errors.js'
import { allowWith, flagOfDenial } from '../platform/permissions.js'
import { marked } from '../platform/program-family.js'
import { letRun, waitingShell } from './waiting-shell.js'
import { watchdog } from './watchdog.js'

export interface LaunchOptions {
  readonly cwd?: string | URL | undefined
  readonly env: NodeJS.ProcessEnv
  /** Listening sockets of portside, which the program gets as its descriptors from 3 on, with LISTEN_PID. */
  readonly sockets: readonly number[]
}

export interface Launched {
  readonly child: ChildProcess
  /** Resolves when the program runs, or was ended before. Rejects with the system's error if it cannot run. */
  readonly running: Promise<void>
  /** The mark in the environment of the program and its descendants. Undefined if the program is not watched. */
  readonly mark: string | undefined
  /** Call it when the program has exited. */
  forget(): Promise<void> | undefined
}

/**
 * Starts a program that is watched before its first instruction, so that it cannot outlive this process. If the system ends
 * programs with their parent, or has no shell, the program starts directly.
 */
export function launch(asked: string, path: string, args: readonly string[], options: LaunchOptions): Launched {
  const { cwd, sockets } = options
  const dog = watchdog()
  const mark = dog?.nextMark()
  const env = marked(options.env, mark)
  const waits = dog !== undefined || sockets.length > 0
  const start = waits ? waitingShell(path, args, env, sockets.length) : { file: path, args }
  let child: ChildProcess
  try {
    const spawning: SpawnOptions = {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe', ...sockets, ...(waits ? (['pipe'] as const) : [])],
      windowsHide: true,
      // The first of a process group, so that processes without their parent are found too.
      detached: dog !== undefined,
    }
    child = attempt(asked, () => spawn(start.file, start.args, spawning))
  } catch (error) {
    dog?.release(undefined)
    throw error
  }
  const { pid } = child
  const watched = pid === undefined ? undefined : dog?.watch(pid)
  const started = new Promise<void>((resolve, reject) => void child.once('spawn', resolve).on('error', reject))
  const run = async (): Promise<void> => {
    await started
    await watched
    const why = waits ? await letRun(child, sockets.length) : undefined
    if (why !== undefined) throw await refusal(child, path, args, why)
  }
  const running = run().catch((error) => {
    child.kill('SIGKILL')
    throw notStarted(asked, error)
  })
  // A rejection before anything awaits these promises must not be unhandled.
  for (const promise of [running, watched]) promise?.catch(() => {})
  // The user sees the program instead of the shell.
  Object.assign(child, { spawnfile: path, spawnargs: [path, ...args] })
  return { child, running, mark, forget: () => dog?.release(pid) }
}

/** spawn() throws some errors synchronously, such as E2BIG. */
function attempt<T>(asked: string, start: () => T): T {
  try {
    return start()
  } catch (error) {
    throw notStarted(asked, error as Error)
  }
}

/** The system's error for the program. A shell prints it as text, and exits with 127 if the file does not exist. */
async function refusal(child: ChildProcess, path: string, args: readonly string[], said: string): Promise<Error> {
  if (child.exitCode === null) await new Promise((resolve) => void child.once('exit', resolve))
  const code = child.exitCode === 127 ? 'ENOENT' : /too long/i.test(said) ? 'E2BIG' : 'EACCES'
  return Object.assign(new Error(said), { code, syscall: `spawn ${path}`, path, spawnargs: args })
}

function notStarted(asked: string, cause: Error): Error {
  return portsideError(codeOf(cause) ?? 'ERR_PORTSIDE_CHILD_EXITED', {
    headline: `Cannot ${asked}`,
    actual: cause.message,
    next: adviceFor(cause) ?? 'check that the file is for this system and that its interpreter exists',
    cause,
  })
}

/** The fix for an error of a start, if it does not lie in the file of the program. */
export function adviceFor(cause: Error): string | undefined {
  const flag = flagOfDenial(cause)
  return flag === undefined ? ADVICE[codeOf(cause) ?? ''] : allowWith(flag)
}

const ADVICE: Record<string, string> = {
  E2BIG: 'pass fewer or shorter arguments and variables, or put long values into a file',
  EMFILE: 'close sockets and files, or raise the limit (ulimit -n)',
  EAGAIN: 'end processes, or raise the limit (ulimit -u)',
}
