import { readdirSync, readFileSync } from 'node:fs'
import { outputOf } from './output-of.js'
import { type ProcessStat, statOf } from './process-stat.js'

/** A process, and what tells it from a later one of the same pid. */
export interface OtherProcess {
  readonly pid: number
  /** When it started, in ticks since boot (proc(5)); undefined where only the pid is known. */
  readonly started: string | undefined
}

/**
 * The processes that a process has started, and theirs: a shell that is ended leaves its own children running. Linux
 * tells them in `/proc/PID/task/TID/children` (proc(5)), macOS through `ps`. Empty on Windows, where neither is there to
 * ask.
 */
export function descendantsOf(pid: number, platform: NodeJS.Platform = process.platform): OtherProcess[] {
  if (platform === 'win32') return []
  const children = platform === 'linux' || platform === 'android' ? childrenOf : childrenIn(listProcesses())
  const found: number[] = []
  for (let queue = [pid]; queue.length > 0; ) {
    queue = queue.flatMap(children)
    found.push(...queue)
  }
  return found.map(identified)
}

/** A process that runs now. */
export const identified = (pid: number): OtherProcess => ({ pid, started: tryStat(pid)?.started })

/**
 * Whether the system ends a program with the process that started it. On Windows libuv puts them into one job
 * (https://learn.microsoft.com/en-us/windows/win32/procthread/job-objects); elsewhere it goes on under another parent.
 */
export function endsWithItsParent(platform: NodeJS.Platform = process.platform): boolean {
  return platform === 'win32'
}

export function isRunning({ pid, started }: OtherProcess): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it runs as another user (kill(2)).
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  const stat = tryStat(pid)
  // One that has ended and that its parent has not asked about yet keeps its pid.
  return stat === undefined ? started === undefined : stat.started === started && stat.state !== 'Z'
}

/** Whether there is such a process of ours that has not ended, on Linux. */
export function isAlive(pid: number): boolean {
  const stat = tryStat(pid)
  return stat !== undefined && stat.state !== 'Z'
}

/** Whether a signal has stopped it, on Linux. */
export function isStopped(pid: number): boolean {
  return tryStat(pid)?.state === 'T'
}

export function end(other: OtherProcess, signal: NodeJS.Signals): void {
  if (!isRunning(other)) return
  try {
    process.kill(other.pid, signal)
  } catch {
    // ESRCH: it has ended by itself.
  }
}

/**
 * Ends a process and all that it started, on Windows, where a process ends alone and has no signals
 * (https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/taskkill). False elsewhere.
 */
export function endTree(pid: number, platform: NodeJS.Platform = process.platform): boolean {
  if (platform !== 'win32') return false
  try {
    outputOf('taskkill', ['/PID', String(pid), '/T', '/F'], { encoding: 'utf8' })
    return true
  } catch {
    // It has ended by itself, or there is no taskkill.
    return false
  }
}

/** Ends who is left of the process group that a process began, also without it. */
export function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // ESRCH: nobody is left. Windows has no groups.
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

/** On Linux, which lists for each thread those that it started. */
export function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => childrenOfThread(pid, thread))
  } catch {
    // The process has ended.
    return []
  }
}

function childrenOfThread(pid: number, thread: string): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    // The thread has ended, or the kernel was built without CONFIG_PROC_CHILDREN.
    return []
  }
}

export function tryStat(pid: number): ProcessStat | undefined {
  try {
    return statOf(pid)
  } catch {
    // The process has ended, or there is no /proc.
    return undefined
  }
}

function listProcesses(): string {
  return outputOf('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
}
