import { readdirSync, readFileSync } from 'node:fs'
import { now } from '../timers.js'
import { outputOf } from './output-of.js'
import { descendantsOf, identified, isRunning, type OtherProcess, tryStat } from './process-tree.js'

/** The variable that marks the processes of a program: children inherit it, even those that leave their parent. */
export const MARK = 'PORTSIDE_PROGRAM'

/** The environment with the mark. It keeps the marks of programs that this process belongs to. */
export function marked(env: NodeJS.ProcessEnv, mark: string | undefined): NodeJS.ProcessEnv {
  if (mark === undefined) return env
  return { ...env, [MARK]: [process.env[MARK], mark].filter(Boolean).join(' ') }
}

/**
 * A program and the processes that it started, directly or indirectly. It checks three things, because a process can leave each:
 *
 * - the parent: a process whose parent exits gets another;
 * - the session: setsid(2) begins a new one;
 * - on Linux, the mark in the environment with which a process was started (proc_pid_environ(5)).
 */
export class ProgramFamily {
  /** The start time by pid, because pids are reused. */
  readonly #known = new Map<number, string | undefined>()
  readonly #started: number
  #list: { readonly of: readonly number[] | undefined; readonly at: number } | undefined
  /** On Windows: the program started at most a second before now, and its children start later. */
  readonly #begun = ticks(Date.now() - 1000)

  constructor(
    readonly pid: number,
    private readonly mark?: string,
    private readonly platform: NodeJS.Platform = process.platform,
    private readonly list: (platform: NodeJS.Platform) => string = listProcesses,
  ) {
    this.#started = Number(tryStat(pid)?.started)
  }

  /** Whether a process is one of them. Undefined if the system does not show it. */
  has(pid: number): boolean | undefined {
    if (pid === this.pid) return true
    if (isLinux(this.platform)) return this.#isKin(pid)
    return this.#listed()?.includes(pid)
  }

  /** The program and its process tree: quick, and complete unless a process has left its parent. */
  tree(): number[] {
    return [
      this.pid,
      ...(isLinux(this.platform) ? descendantsOf(this.pid).map(({ pid }) => pid) : (this.#listed() ?? [])),
    ]
  }

  /** The program and all its running processes. It reads data of each process of this host. */
  members(): OtherProcess[] {
    this.#list = undefined
    const found = new Set(this.tree())
    if (isLinux(this.platform)) for (const pid of pids()) if (!found.has(pid) && this.#isKin(pid)) found.add(pid)
    return [...found].map((pid) => identified(pid, this.platform)).filter((one) => isRunning(one, this.platform))
  }

  #isKin(pid: number): boolean {
    const stat = tryStat(pid)
    if (stat === undefined || Number(stat.started) < this.#started) return false
    // The system forgets the parent of a process when the parent exits.
    if (this.#known.has(pid) && this.#known.get(pid) === stat.started) return true
    const kin =
      stat.session === this.pid ||
      ancestors(pid, (one) => tryStat(one)?.parent).includes(this.pid) ||
      (this.mark !== undefined && environmentOf(pid).includes(this.mark))
    if (kin) this.#known.set(pid, stat.started)
    return kin
  }

  /** The descendants, from the list of all processes. The list is kept for a moment, because Windows needs a second for it. Undefined without a list. */
  #listed(): readonly number[] | undefined {
    if (this.#list === undefined || now() - this.#list.at >= LIST_LASTS) this.#list = { of: this.#read(), at: now() }
    return this.#list.of
  }

  #read(): number[] | undefined {
    let listed: ReadonlyMap<number, Listed>
    try {
      listed = parsePairs(this.list(this.platform), this.platform)
    } catch {
      // There is no such program, or this process may not run it.
      return undefined
    }
    const started = listed.get(this.pid)?.started ?? (this.platform === 'win32' ? this.#begun : undefined)
    const isChild = (one: Listed, parent: number): boolean => {
      const earliest = parent === this.pid ? started : listed.get(parent)?.started
      return one.started === undefined || earliest === undefined || one.started >= earliest
    }
    /** Windows keeps the pid of an exited parent, and reuses it: a child cannot be older than its parent. */
    const parentOf = (pid: number): number | undefined => {
      const one = listed.get(pid)
      return one !== undefined && isChild(one, one.parent) ? one.parent : undefined
    }
    return [...listed.keys()].filter(
      (pid) => pid !== this.pid && (listed.get(pid)?.group === this.pid || ancestors(pid, parentOf).includes(this.pid)),
    )
  }
}

/** In milliseconds. */
const LIST_LASTS = 500

interface Listed {
  readonly parent: number
  /** Its process group, if the system has groups. */
  readonly group?: number | undefined
  /** The start time, on Windows, in ticks. */
  readonly started?: number | undefined
}

/** Reads lines of `pid parent group`, on Windows of `pid parent started`. The third number may be missing. */
export function parsePairs(output: string, platform: NodeJS.Platform): Map<number, Listed> {
  const listed = new Map<number, Listed>()
  for (const line of output.split(/\r?\n/)) {
    const [pid, parent, third] = line.trim().split(/\s+/).map(Number)
    if (!pid || parent === undefined || Number.isNaN(parent)) continue
    const known = third === undefined || Number.isNaN(third) ? undefined : third
    listed.set(pid, platform === 'win32' ? { parent, started: known } : { parent, group: known })
  }
  return listed
}

/** Converts Unix milliseconds to units of 100 ns since the year 1: https://learn.microsoft.com/en-us/dotnet/api/system.datetime.ticks */
export const ticks = (time: number): number => time * 10_000 + 621_355_968_000_000_000

const listProcesses = (platform: NodeJS.Platform): string => (platform === 'win32' ? listOnWindows() : listByPs())

const listByPs = (): string => outputOf('ps', ['-A', '-o', 'pid=,ppid=,pgid='], { encoding: 'utf8' })

/** https://learn.microsoft.com/en-us/windows/win32/cimwin32prov/win32-process */
const listOnWindows = (): string =>
  outputOf(
    'powershell.exe',
    [
      '-NoProfile',
      '-NonInteractive',
      '-Command',
      "Get-CimInstance Win32_Process | ForEach-Object { '{0} {1} {2}' -f $_.ProcessId, $_.ParentProcessId, $(if ($_.CreationDate) { $_.CreationDate.ToUniversalTime().Ticks }) }",
    ],
    { encoding: 'utf8' },
  )

/** Pids are reused, so the chain of parents may have a cycle. */
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
    // It has exited, or belongs to another user.
    return ''
  }
}

const isLinux = (platform: NodeJS.Platform): boolean => platform === 'linux' || platform === 'android'
