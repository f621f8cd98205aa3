import { readdirSync, readFileSync } from 'node:fs'
import { now } from '../timers.js'
import { outputOf } from './output-of.js'
import { descendantsOf, identified, isRunning, type OtherProcess, tryStat } from './process-tree.js'

/** The variable by which a process is known to come from a program of ours: it is inherited, also by what leaves its parent. */
export const MARK = 'PORTSIDE_PROGRAM'

/**
 * A program and the processes that it started, directly or not. Three things tell them, because each can be left: the parent
 * (a process whose parent ends gets another), the session (setsid(2) begins a new one), and on Linux the mark in the environment
 * that a process was started with (proc_pid_environ(5)).
 */
export class ProgramFamily {
  /** By pid, when the process started: pids are given again. */
  readonly #known = new Map<number, string | undefined>()
  readonly #started: number
  #list: { readonly of: ReadonlyMap<number, Listed> | undefined; readonly at: number } | undefined

  constructor(
    readonly pid: number,
    private readonly mark?: string,
    private readonly platform: NodeJS.Platform = process.platform,
  ) {
    this.#started = Number(tryStat(pid)?.started)
  }

  /** Whether a process is one of them. Undefined if the system does not say. */
  has(pid: number): boolean | undefined {
    if (pid === this.pid) return true
    if (isLinux(this.platform)) return this.#isKin(pid)
    const listed = this.#listed()
    if (listed === undefined) return undefined
    return listed.get(pid)?.group === this.pid || isDescendant(pid, this.pid, listed)
  }

  /** Those that the tree shows, with the program itself: quick, and complete unless one of them has left its parent. */
  tree(): number[] {
    return [this.pid, ...this.#descendants()]
  }

  /** All that run now, with the program itself. Reads something of each process of this host. */
  members(): OtherProcess[] {
    const found = new Set(this.tree())
    if (isLinux(this.platform)) {
      for (const pid of pids()) if (!found.has(pid) && this.#isKin(pid)) found.add(pid)
    } else {
      for (const [pid, { group }] of this.#listed() ?? []) if (group === this.pid) found.add(pid)
    }
    return [...found].map(identified).filter(isRunning)
  }

  #descendants(): number[] {
    try {
      if (this.platform !== 'win32') return descendantsOf(this.pid, this.platform).map(({ pid }) => pid)
    } catch {
      // There is no ps.
      return []
    }
    const listed = this.#listed()
    if (listed === undefined) return []
    return [...listed.keys()].filter((pid) => pid !== this.pid && isDescendant(pid, this.pid, listed))
  }

  #isKin(pid: number): boolean {
    const stat = tryStat(pid)
    if (stat === undefined || Number(stat.started) < this.#started) return false
    // Whose child a process was is forgotten when its parent ends.
    if (this.#known.has(pid) && this.#known.get(pid) === stat.started) return true
    const kin =
      stat.session === this.pid ||
      ancestors(pid, (one) => tryStat(one)?.parent).includes(this.pid) ||
      (this.mark !== undefined && environmentOf(pid).includes(this.mark))
    if (kin) this.#known.set(pid, stat.started)
    return kin
  }

  /** The list is kept for a moment: on Windows it takes a second to make. */
  #listed(): ReadonlyMap<number, Listed> | undefined {
    if (this.#list !== undefined && now() - this.#list.at < LIST_LASTS) return this.#list.of
    const made = { of: listProcesses(this.platform), at: now() }
    this.#list = made
    return made.of
  }
}

/** In milliseconds. */
const LIST_LASTS = 500

function listProcesses(platform: NodeJS.Platform): ReadonlyMap<number, Listed> | undefined {
  try {
    return parsePairs(platform === 'win32' ? listOnWindows() : listByPs())
  } catch {
    // There is no such program, or it may not run.
    return undefined
  }
}

interface Listed {
  readonly parent: number
  readonly group: number | undefined
}

/** Reads lines of `pid parent` and `pid parent group`. */
export function parsePairs(output: string): Map<number, Listed> {
  const listed = new Map<number, Listed>()
  for (const line of output.split(/\r?\n/)) {
    const [pid, parent, group] = line.trim().split(/\s+/).map(Number)
    if (pid && parent !== undefined && !Number.isNaN(parent)) listed.set(pid, { parent, group })
  }
  return listed
}

const listByPs = (): string => outputOf('ps', ['-A', '-o', 'pid=,ppid=,pgid='], { encoding: 'utf8' })

/** https://learn.microsoft.com/en-us/windows/win32/cimwin32prov/win32-process */
const listOnWindows = (): string =>
  outputOf(
    'powershell.exe',
    [
      '-NoProfile',
      '-NonInteractive',
      '-Command',
      "Get-CimInstance Win32_Process | ForEach-Object { '{0} {1}' -f $_.ProcessId, $_.ParentProcessId }",
    ],
    { encoding: 'utf8' },
  )

const isDescendant = (pid: number, of: number, listed: ReadonlyMap<number, Listed>): boolean =>
  ancestors(pid, (one) => listed.get(one)?.parent).includes(of)

/** Pids are given again: a list of parents may have a circle. */
function ancestors(pid: number, parentOf: (pid: number) => number | undefined): number[] {
  const found: number[] = []
  for (let next = parentOf(pid); next !== undefined && next > 0 && !found.includes(next); next = parentOf(next)) {
    found.push(next)
  }
  return found
}

function pids(): number[] {
  try {
    return readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 0 && pid !== process.pid)
  } catch {
    // There is no /proc.
    return []
  }
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1')
  } catch {
    // It has ended, or belongs to another user.
    return ''
  }
}

const isLinux = (platform: NodeJS.Platform): boolean => platform === 'linux' || platform === 'android'
