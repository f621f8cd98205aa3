import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { codeOf, portsideError } from '../errors.js'
import { marked } from '../platform/program-family.js'
import { letRun, waitingShell } from './waiting-shell.js'
import { watchdog } from './watchdog.js'

export interface LaunchOptions {
  readonly cwd?: string | URL | undefined
  readonly env: NodeJS.ProcessEnv
  /** Listening sockets of ours, which it gets as its descriptors from 3 on, with LISTEN_PID. */
  readonly sockets: readonly number[]
}

export interface Launched {
  readonly child: ChildProcess
  /** Resolves when the program runs, or has been ended before; rejects with the system's error where it cannot. */
  readonly running: Promise<void>
  /** What the environment of the program, and of all that it starts, has; undefined if it is not watched. */
  readonly mark: string | undefined
  /** To be called when it has ended. */
  forget(): Promise<void> | undefined
}

/**
 * Starts a program that is watched from before its first instruction on: no moment is left at which this process may end
 * and the program go on. Where the system sees to that by itself, or has no shell, the program is started as it is.
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
      // The first of a process group: so those are found, too, that have lost their parent.
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
  // Who asks later is told.
  for (const promise of [running, watched]) promise?.catch(() => {})
  // What a user sees of it is what the user has started.
  Object.assign(child, { spawnfile: path, spawnargs: [path, ...args] })
  return { child, running, mark, forget: () => dog?.release(pid) }
}

/** E2BIG and its like come within the call. */
function attempt<T>(asked: string, start: () => T): T {
  try {
    return start()
  } catch (error) {
    throw notStarted(asked, error as Error)
  }
}

/** What the system would have said of the program: a shell says it in words, and ends with 127 if there is no such file. */
async function refusal(child: ChildProcess, path: string, args: readonly string[], said: string): Promise<Error> {
  if (child.exitCode === null) await new Promise((resolve) => void child.once('exit', resolve))
  const code = child.exitCode === 127 ? 'ENOENT' : /too long/i.test(said) ? 'E2BIG' : 'EACCES'
  return Object.assign(new Error(said), { code, syscall: `spawn ${path}`, path, spawnargs: args })
}

function notStarted(asked: string, cause: Error): Error {
  return portsideError(codeOf(cause) ?? 'ERR_PORTSIDE_CHILD_EXITED', {
    headline: `Cannot ${asked}`,
    actual: cause.message,
    next: ADVICE[codeOf(cause) ?? ''] ?? 'see whether the file is for this system and its interpreter is there',
    cause,
  })
}

const ADVICE: Record<string, string> = {
  E2BIG: 'pass fewer or shorter arguments and variables, what is long in a file',
  EMFILE: 'close sockets and files, or raise the limit (ulimit -n)',
  EAGAIN: 'end processes, or raise the limit (ulimit -u)',
}
