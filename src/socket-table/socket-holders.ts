import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { codeOf, portsideError } from '../errors.js'
import { entriesOf, ownSockets } from './own-sockets.js'
import type { SocketEntry, SocketHolder } from './socket-entry.js'

/**
 * Finds out which process has a socket, on Linux: it is the one among whose descriptors `/proc/PID/fd` shows its inode.
 * Looks at one process after the other, the likely ones first, and no further than it must; what it has seen it
 * remembers. Of several that share a socket it finds one, this process before all others.
 */
export class SocketHolders {
  readonly #proc: string
  readonly #first: number | undefined
  #ofFirst: ReadonlySet<number> | undefined
  readonly #pidOf = new Map<number, number>()
  readonly #programs = new Map<number, string | undefined>()
  #unreadable = 0
  #looking: Iterator<unknown> | undefined

  /** Of several processes that share a socket, it is `first` that has it. */
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

  /** The sockets of `first`. Throws ERR_PORTSIDE_UNSUPPORTED where it may not be looked into. */
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
      // For want of a descriptor. The next one who asks looks anew.
      this.#looking = undefined
      throw error
    }
  }

  *#look(): Generator<void, void, void> {
    for (const { inode } of ownSockets(this.#proc)) {
      if (!this.#pidOf.has(inode)) this.#pidOf.set(inode, process.pid)
      yield
    }
    // Numbers of another PID namespace are those of somebody else here.
    if (isForeign(this.#proc)) return
    // A process starts with three descriptors, and hardly one of those is a socket.
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

  /** Those that were started about when this one was come first: its children, its parent, other workers of the run. */
  #others(): number[] {
    const distance = (pid: number): number => Math.abs(pid - process.pid)
    return entriesOf(this.#proc)
      .map(Number)
      .filter((pid) => pid > 0 && pid !== process.pid)
      .sort((a, b) => distance(a) - distance(b))
  }

  /** Since Linux 6.2 the size of the directory is the number of descriptors (proc_pid_fd(5)); before, it is 0. */
  #hasFew(pid: number): boolean {
    try {
      const { size } = statSync(`${this.#proc}/${pid}/fd`)
      return size > 0 && size <= 3
    } catch {
      // It has ended.
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
      // ENOENT and ESRCH: it has ended. Anything else: it may not be looked into.
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

/** The inodes of the sockets that these processes hold, in the order of their descriptors. */
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
      // Anything but EACCES: it has ended.
      if (codeOf(error) === 'EACCES') unreadable = true
    }
  }
  return { inodes, unreadable }
}

/** Whether /proc is that of another PID namespace, as where one was made and /proc not mounted anew (pid_namespaces(7)). */
function isForeign(proc: string): boolean {
  try {
    return Number(readlinkSync(`${proc}/self`)) !== process.pid
  } catch {
    return false
  }
}

/** What a process calls itself. The kernel's own name for it (`comm`) is that of a thread, and cut off (proc_pid_comm(5)). */
export function programOf(pid: number, proc = '/proc'): string | undefined {
  // By another name than its number, which may be that of somebody else where /proc is of another PID namespace.
  const directory = `${proc}/${pid === process.pid ? 'self' : pid}`
  const [title = '', ...others] = textOf(`${directory}/cmdline`).split('\0')
  // Who writes over its own arguments may put blanks between them.
  const path = /^\.*\//.test(title) ? (others.some(Boolean) ? title : title.replace(/ -.*$/s, '')) : undefined
  const name = path === undefined ? title : path.slice(path.lastIndexOf('/') + 1)
  return name.trim() || textOf(`${directory}/comm`).trim() || undefined
}

const IN_QUEUE = 'no process has it yet: it waits in the accept queue of a listener'

const NOBODY: Partial<Record<SocketEntry['state'], string>> = {
  CLOSE_WAIT: IN_QUEUE,
  ESTABLISHED: IN_QUEUE,
  SYN_RECV: 'no process has it yet: its handshake is not complete',
  // Of a unix socket, which is connected at once.
  SYN_SENT: IN_QUEUE,
  TIME_WAIT: 'no process has it any more: the kernel keeps it in TIME_WAIT',
}

function inodeOf(path: string): number | 'unreadable' | undefined {
  try {
    const target = readlinkSync(path)
    return target.startsWith('socket:[') ? Number(target.slice(8, -1)) : undefined
  } catch (error) {
    // Of a process outside of the user namespace they can be listed and not be read (ptrace(2)). Otherwise: closed meanwhile.
    return codeOf(error) === 'EACCES' || codeOf(error) === 'EPERM' ? 'unreadable' : undefined
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // It has ended.
    return ''
  }
}
