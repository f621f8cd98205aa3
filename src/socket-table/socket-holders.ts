import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { codeOf, portsideError } from '../errors.js'
import { entriesOf, ownSockets } from './own-sockets.js'
import type { SocketEntry, SocketHolder } from './socket-entry.js'

/**
 * Finds the process that has a socket, on Linux: `/proc/PID/fd` of that process shows its inode. It reads one process after the
 * other, the likely ones first, stops when it finds the socket, and remembers what it has read. If several processes share a
 * socket, it finds one; this process comes first.
 */
export class SocketHolders {
  readonly #proc: string
  readonly #first: number | undefined
  #ofFirst: ReadonlySet<number> | undefined
  readonly #pidOf = new Map<number, number>()
  readonly #programs = new Map<number, string | undefined>()
  #unreadable = 0
  #looking: Iterator<unknown> | undefined

  /** If several processes share a socket, `first` counts as its holder. */
  constructor(proc = '/proc', first?: number) {
    this.#proc = proc
    this.#first = first
  }

  holderOf({ inode, state, uid }: Pick<SocketEntry, 'inode' | 'state' | 'uid'>): SocketHolder {
    if (inode === undefined) return { hidden: NOBODY[state] ?? 'no process has it any more' }
    this.#lookFor(inode)
    const pid = this.#pidOf.get(inode)
    return pid === undefined ? { hidden: this.#whyHidden(uid) } : { pid, program: this.#programOf(pid) }
  }

  /** The sockets of `first`. Throws ERR_PORTSIDE_UNSUPPORTED if this process may not inspect it. */
  inodesOfFirst(): ReadonlySet<number> {
    this.#ofFirst ??= this.#lookAtFirst(this.#first as number)
    return this.#ofFirst
  }

  #lookAtFirst(pid: number): ReadonlySet<number> {
    if (pid !== process.pid) this.#lookAt(pid)
    else for (const { inode } of ownSockets(this.#proc)) this.#pidOf.set(inode, pid)
    if (this.#unreadable === 0) return new Set(this.#pidOf.keys())
    throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
      headline: `Cannot list the sockets of process ${pid}`,
      because: 'this process may not inspect it (proc_pid_fd(5))',
      next: 'run as its user, or as root',
    })
  }

  #lookFor(inode: number): void {
    this.#looking ??= this.#look()
    try {
      while (!this.#pidOf.has(inode)) if (this.#looking.next().done) break
    } catch (error) {
      // No descriptor is left. The next call starts again.
      this.#looking = undefined
      throw error
    }
  }

  *#look(): Generator<void, void, void> {
    for (const { inode } of ownSockets(this.#proc)) {
      if (!this.#pidOf.has(inode)) this.#pidOf.set(inode, process.pid)
      yield
    }
    // The same pid is a different process in another PID namespace.
    if (isForeign(this.#proc)) return
    // A process starts with three descriptors, which are rarely sockets.
    const few: number[] = []
    for (const pid of this.#others()) {
      if (this.#hasFew(pid)) {
        few.push(pid)
      } else {
        this.#lookAt(pid)
        yield
      }
    }
    for (const pid of few) {
      this.#lookAt(pid)
      yield
    }
  }

  /** Nearby pids first: children, the parent and other workers of the run started at about the same time. */
  #others(): number[] {
    const distance = (pid: number): number => Math.abs(pid - process.pid)
    return entriesOf(this.#proc)
      .map(Number)
      .filter((pid) => pid > 0 && pid !== process.pid)
      .sort((a, b) => distance(a) - distance(b))
  }

  /** Since Linux 6.2 the size of the directory is the number of descriptors (proc_pid_fd(5)); in older kernels it is 0. */
  #hasFew(pid: number): boolean {
    try {
      const { size } = statSync(`${this.#proc}/${pid}/fd`)
      return size > 0 && size <= 3
    } catch {
      // The process has exited.
      return true
    }
  }

  #lookAt(pid: number): void {
    const directory = `${this.#proc}/${pid}/fd`
    let descriptors: string[]
    try {
      descriptors = readdirSync(directory)
    } catch (error) {
      const code = codeOf(error)
      if (code === 'EMFILE' || code === 'ENFILE') throw error
      // ENOENT and ESRCH: the process has exited. Anything else: this process may not inspect it.
      if (code !== 'ENOENT' && code !== 'ESRCH') this.#unreadable++
      return
    }
    for (const descriptor of descriptors) {
      const inode = inodeOf(`${directory}/${descriptor}`)
      if (inode === 'unreadable') {
        this.#unreadable++
        return
      }
      if (inode !== undefined && !this.#pidOf.has(inode)) this.#pidOf.set(inode, pid)
    }
  }

  #programOf(pid: number): string | undefined {
    if (!this.#programs.has(pid)) this.#programs.set(pid, programOf(pid, this.#proc))
    return this.#programs.get(pid)
  }

  #whyHidden(uid: number | undefined): string {
    const user = uid === undefined ? '' : ` (user ${uid})`
    return this.#unreadable > 0
      ? `its process${user} may not be inspected from here, or no process has it any more`
      : `its process${user} is not visible from here: it is in another PID namespace, hidden in /proc, or gone`
  }
}

/** The inodes of the sockets of these processes, in the order of their descriptors. */
export function inodesOf(pids: Iterable<number>, proc = '/proc'): { inodes: ReadonlySet<number>; unreadable: boolean } {
  const inodes = new Set<number>()
  let unreadable = false
  for (const pid of pids) {
    const directory = `${proc}/${pid}/fd`
    try {
      for (const descriptor of readdirSync(directory).sort((one, other) => Number(one) - Number(other))) {
        const inode = inodeOf(`${directory}/${descriptor}`)
        if (inode === 'unreadable') unreadable = true
        else if (inode !== undefined) inodes.add(inode)
      }
    } catch (error) {
      // Any other code: the process has exited.
      if (codeOf(error) === 'EACCES') unreadable = true
    }
  }
  return { inodes, unreadable }
}

/** Whether /proc belongs to another PID namespace: a new one keeps the old /proc until it is mounted again (pid_namespaces(7)). */
function isForeign(proc: string): boolean {
  try {
    return Number(readlinkSync(`${proc}/self`)) !== process.pid
  } catch {
    return false
  }
}

/** The name of a program. The kernel's `comm` is the name of a thread, and truncated (proc_pid_comm(5)). */
export function programOf(pid: number, proc = '/proc'): string | undefined {
  // `self`, because the own pid may be another process if /proc belongs to another PID namespace.
  const directory = `${proc}/${pid === process.pid ? 'self' : pid}`
  const [title = '', ...others] = textOf(`${directory}/cmdline`).split('\0')
  // A program that overwrites its arguments may separate them by blanks.
  const path = /^\.*\//.test(title) ? (others.some(Boolean) ? title : title.replace(/ -.*$/s, '')) : undefined
  const name = path === undefined ? title : path.slice(path.lastIndexOf('/') + 1)
  return name.trim() || textOf(`${directory}/comm`).trim() || undefined
}

const IN_QUEUE = 'no process has it yet: it waits in the accept queue of a listener'

const NOBODY: Partial<Record<SocketEntry['state'], string>> = {
  CLOSE_WAIT: IN_QUEUE,
  ESTABLISHED: IN_QUEUE,
  SYN_RECV: 'no process has it yet: its handshake is not complete',
  // A unix socket connects immediately.
  SYN_SENT: IN_QUEUE,
  TIME_WAIT: 'no process has it any more: the kernel keeps it in TIME_WAIT',
}

function inodeOf(path: string): number | 'unreadable' | undefined {
  try {
    const target = readlinkSync(path)
    return target.startsWith('socket:[') ? Number(target.slice(8, -1)) : undefined
  } catch (error) {
    // For a process outside the user namespace, the links can be listed but not read (ptrace(2)). Other codes: closed meanwhile.
    return codeOf(error) === 'EACCES' || codeOf(error) === 'EPERM' ? 'unreadable' : undefined
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // The process has exited.
    return ''
  }
}
