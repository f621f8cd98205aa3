import { readdirSync, readFileSync } from 'node:fs'
import { codeOf } from '../errors.js'
import { now } from '../timers.js'
import { outputOf } from './output-of.js'
import { type ProcessStat, statOf } from './process-stat.js'

/** A process, and the start time that distinguishes it from a later one with the same pid. */
export interface OtherProcess {
  readonly pid: number
  /** The start time: on Linux in ticks since boot (proc(5)), elsewhere as ps(1) prints it. Undefined if only the pid is known. */
  readonly started: string | undefined
}

/**
 * The processes that a process has started, and their children: ending a shell leaves its children running. Linux lists them in
 * `/proc/PID/task/TID/children` (proc(5)), macOS in `ps`. Empty on Windows, which has neither.
 */
export function descendantsOf(pid: number, platform: NodeJS.Platform = process.platform): OtherProcess[] {
  if (platform === 'win32') return []
  const children = platform === 'linux' || platform === 'android' ? childrenOf : childrenIn(listProcesses())
  const found: number[] = []
  for (let queue = [pid]; queue.length > 0; ) {
    queue = queue.flatMap(children)
    found.push(...queue)
  }
  return found.map((each) => identified(each, platform))
}

/** A process that runs now. */
export function identified(pid: number, platform: NodeJS.Platform = process.platform): OtherProcess {
  const stat = look(pid, platform)
  return { pid, started: stat === 'unknown' ? undefined : stat?.started }
}

/**
 * Whether the system ends a program with the process that started it. On Windows libuv puts them into one job
 * (https://learn.microsoft.com/en-us/windows/win32/procthread/job-objects); elsewhere the program continues under another parent.
 */
export function endsWithItsParent(platform: NodeJS.Platform = process.platform): boolean {
  return platform === 'win32'
}

export function isRunning({ pid, started }: OtherProcess, platform: NodeJS.Platform = process.platform): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it runs as another user (kill(2)).
    if (codeOf(error) !== 'EPERM') return false
  }
  const stat = look(pid, platform)
  if (stat === 'unknown') return true
  // An exited process keeps its pid until its parent waits for it.
  return stat === undefined ? started === undefined : stat.started === started && stat.state !== 'Z'
}

type Seen = Pick<ProcessStat, 'state' | 'started'>

/**
 * The state and the start time of a process. Undefined if there is no such process, and on Windows, where a pid is free as soon as its
 * process has exited. Unknown if `ps` cannot be run.
 */
function look(pid: number, platform: NodeJS.Platform): Seen | 'unknown' | undefined {
  if (platform === 'linux' || platform === 'android') return tryStat(pid)
  return platform === 'win32' ? undefined : seenByPs(pid)
}

/** Whether the process has not exited, on Linux. */
export function isAlive(pid: number): boolean {
  const stat = tryStat(pid)
  return stat !== undefined && stat.state !== 'Z'
}

/** Whether a signal has stopped the process, on Linux. */
export function isStopped(pid: number): boolean {
  return tryStat(pid)?.state === 'T'
}

/** Sends a signal. False if the process has already exited, or belongs to another user. */
export function end(
  other: OtherProcess,
  signal: NodeJS.Signals,
  platform: NodeJS.Platform = process.platform,
): boolean {
  if (!isRunning(other, platform)) return false
  try {
    return process.kill(other.pid, signal)
  } catch {
    // ESRCH or EPERM.
    return false
  }
}

/**
 * Ends a process and all processes that it started, on Windows. Windows has no signals, and a kill does not reach the others
 * (https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/taskkill). False elsewhere.
 */
export function endTree(pid: number, platform: NodeJS.Platform = process.platform): boolean {
  if (platform !== 'win32') return false
  try {
    outputOf('taskkill', ['/PID', String(pid), '/T', '/F'], { encoding: 'utf8' })
    return true
  } catch {
    // It has already exited, or there is no taskkill.
    return false
  }
}

/** Ends the rest of the process group of a process, even after that process has exited. */
export function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // ESRCH: no process is left. Windows has no groups.
  }
}

/** Reads the lines of `ps -A -o pid=,ppid=`. */
export function childrenIn(processes: string): (pid: number) => number[] {
  const children = new Map<number, number[]>()
  for (const line of processes.split('\n')) {
    const [pid, parent] = line.trim().split(/\s+/).map(Number)
    if (!pid || parent === undefined) continue
    children.set(parent, [...(children.get(parent) ?? []), pid])
  }
  return (pid) => children.get(pid) ?? []
}

/**
 * A process in the list of ps(1), which is kept for a moment: a caller asks about several, and again until they have exited. A process
 * that the list lacks may be younger than the list.
 */
function seenByPs(pid: number): Seen | 'unknown' | undefined {
  if (byPs === undefined || now() - byPs.at >= LIST_LASTS || !byPs.of.has(pid)) {
    byPs = { of: parseStates(listStates()), at: now() }
  }
  // Without any line ps has failed, because it lists itself.
  return byPs.of.size === 0 ? 'unknown' : byPs.of.get(pid)
}

/** In milliseconds. */
const LIST_LASTS = 200

let byPs: { readonly of: ReadonlyMap<number, Seen>; readonly at: number } | undefined

/** Reads the lines of `ps -A -o pid=,stat=,lstart=`: `4711 Ss Mon Nov 30 18:37:59 2026`. */
export function parseStates(processes: string): Map<number, { state: string; started: string }> {
  const found = new Map<number, { state: string; started: string }>()
  for (const line of processes.split('\n')) {
    const [, pid, state = '', started = ''] = /^\s*(\d+)\s+([A-Z])\S*\s+(\S.*?)\s*$/.exec(line) ?? []
    if (pid !== undefined) found.set(Number(pid), { state, started })
  }
  return found
}

function listStates(): string {
  try {
    return outputOf('ps', ['-A', '-o', 'pid=,stat=,lstart='], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
    })
  } catch {
    // There is no such program, or this process may not run it.
    return ''
  }
}

/** On Linux, which lists children by the thread that started them. */
export function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => childrenOfThread(pid, thread))
  } catch {
    // The process has exited.
    return []
  }
}

function childrenOfThread(pid: number, thread: string): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    // The thread has exited, or the kernel was built without CONFIG_PROC_CHILDREN.
    return []
  }
}

export function tryStat(pid: number): ProcessStat | undefined {
  try {
    return statOf(pid)
  } catch {
    // The process has exited, or there is no /proc.
    return undefined
  }
}

function listProcesses(): string {
  return outputOf('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
}
