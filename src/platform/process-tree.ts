import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'

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
export async function descendantsOf(
  pid: number,
  platform: NodeJS.Platform = process.platform,
): Promise<OtherProcess[]> {
  if (platform === 'win32') return []
  const childrenOf =
    platform === 'linux' || platform === 'android' ? childrenFromProc : childrenIn(await listProcesses())
  const found: number[] = []
  for (let queue = [pid]; queue.length > 0; ) {
    queue = (await Promise.all(queue.map(childrenOf))).flat()
    found.push(...queue)
  }
  return found.map((pid) => ({ pid, started: statOf(pid)?.started }))
}

export function isRunning({ pid, started }: OtherProcess): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  const stat = statOf(pid)
  // One that has ended and that its parent has not asked about yet keeps its pid.
  return stat === undefined ? started === undefined : stat.started === started && stat.state !== 'Z'
}

export function end(other: OtherProcess, signal: NodeJS.Signals): void {
  if (!isRunning(other)) return
  try {
    process.kill(other.pid, signal)
  } catch {
    // ESRCH: it has ended by itself.
  }
}

/** Reads the lines of `ps -A -o pid=,ppid=`. */
export function childrenIn(processes: string): (pid: number) => Promise<number[]> {
  const children = new Map<number, number[]>()
  for (const line of processes.split('\n')) {
    const [pid, parent] = line.trim().split(/\s+/).map(Number)
    if (!pid || parent === undefined) continue
    children.set(parent, [...(children.get(parent) ?? []), pid])
  }
  return async (pid) => children.get(pid) ?? []
}

async function childrenFromProc(pid: number): Promise<number[]> {
  try {
    const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return text.split(' ').filter(Boolean).map(Number)
  } catch {
    // It has ended, or the kernel was built without CONFIG_PROC_CHILDREN.
    return []
  }
}

/** Fields 3 and 22 of /proc/PID/stat; the second field is a name that may hold anything. */
function statOf(pid: number): { state: string | undefined; started: string | undefined } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0], started: fields[19] }
  } catch {
    return undefined
  }
}

async function listProcesses(): Promise<string> {
  const [{ execFile }, { promisify }] = await Promise.all([import('node:child_process'), import('node:util')])
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid='])
  return stdout
}
