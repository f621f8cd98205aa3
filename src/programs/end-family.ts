import type { ChildProcess } from 'node:child_process'
import {
  end,
  endGroup,
  endsWithItsParent,
  endTree,
  identified,
  isRunning,
  isStopped,
  type OtherProcess,
  tryStat,
} from '../platform/process-tree.js'
import type { ProgramFamily } from '../platform/program-family.js'
import { programOf } from '../socket-table/socket-holders.js'
import { clearTimeout, now, setTimeout } from '../timers.js'

/**
 * A process of a program that portside ended.
 * @experimental
 */
export interface EndedProcess {
  readonly pid: number
  /** The name of the process: `node`. */
  readonly program: string | undefined
  /** The last signal that portside sent to it. Null if it exited before. */
  readonly signal: NodeJS.Signals | null
}

export interface EndedFamily {
  readonly ended: readonly EndedProcess[]
  /** Processes of another user that still run: this process may not send signals to them (kill(2)). */
  readonly refused: ReadonlyArray<Pick<EndedProcess, 'pid' | 'program'>>
}

/**
 * Ends a program and all processes that it started. The signal goes to the program, which may end its own children in its own
 * way. When it has exited, the remaining processes get the same signal, each after its parent has exited. SIGKILL ends the
 * rest when the grace is over.
 */
export async function endFamily(
  child: ChildProcess,
  family: ProgramFamily,
  signal: NodeJS.Signals,
  grace: number,
): Promise<EndedFamily> {
  const deadline = now() + grace
  const sent = new Map<number, NodeJS.Signals>()
  const refused = new Set<number>()
  const found = new Map<number, OtherProcess & { program: string | undefined }>()
  const note = (ones: readonly OtherProcess[]): void => {
    for (const one of ones) if (!found.has(one.pid)) found.set(one.pid, { ...one, program: programOf(one.pid) })
  }
  const running = (): OtherProcess[] => {
    note(family.members())
    return [...found.values()].filter((one) => isRunning(one))
  }
  const send = (ones: readonly OtherProcess[], what: NodeJS.Signals): void => {
    for (const one of ones) {
      if (end(one, what)) sent.set(one.pid, what)
      else if (isRunning(one)) refused.add(one.pid)
      // A stopped process gets a signal when it continues (signal(7)).
      if (isStopped(one.pid)) end(one, 'SIGCONT')
    }
  }
  // On Windows the signal ends the program but not its children.
  const treeEnded = endTree(family.pid)
  // Read now: when the program exits, the tree is lost. Its session, its group and its mark stay with its children.
  if (!treeEnded)
    note(
      family
        .tree()
        .map((pid) => identified(pid))
        .filter((one) => isRunning(one)),
    )
  if (child.kill(signal)) sent.set(family.pid, signal)
  if (isStopped(family.pid)) child.kill('SIGCONT')
  await ended(child, deadline)
  if (!treeEnded) {
    for (let before = -1; hasEnded(child) && before !== 0 && now() < deadline; await sleep()) {
      if ([...found.values()].filter((one) => isRunning(one)).length === before + refused.size) continue
      const left = running().filter(({ pid }) => !refused.has(pid))
      before = left.length
      send(
        topmost(left).filter(({ pid }) => !sent.has(pid)),
        signal,
      )
    }
    for (const limit = now() + KILL_LIMIT; now() < limit; ) {
      const left = running().filter(({ pid }) => !refused.has(pid))
      if (left.length === 0) break
      if (!hasEnded(child)) child.kill('SIGKILL')
      send(left, 'SIGKILL')
      await sleep()
    }
    endGroup(family.pid)
  }
  const all = [...found.values()].map((one) => ({ ...one, signal: sent.get(one.pid) ?? null, runs: isRunning(one) }))
  return {
    ended: all.filter(({ runs }) => !runs).map(({ pid, program, signal }) => ({ pid, program, signal })),
    refused: all.filter(({ runs, pid }) => runs && refused.has(pid)).map(({ pid, program }) => ({ pid, program })),
  }
}

/** Ends the processes that a program left when it exited. */
export function endLeftBehind(family: ProgramFamily): EndedProcess[] {
  // On these systems a list of processes takes a second.
  if (endsWithItsParent()) return []
  const ended: EndedProcess[] = []
  // A process may have started another before it was ended.
  for (let round = 0; round < ROUNDS; round++) {
    const left = family.members()
    if (left.length === 0) break
    for (const one of left) {
      const program = programOf(one.pid)
      if (!end(one, 'SIGKILL') || ended.some(({ pid }) => pid === one.pid)) continue
      ended.push({ pid: one.pid, program, signal: 'SIGKILL' })
    }
  }
  endGroup(family.pid)
  return ended
}

/** The processes whose parent is not in the list. All of them if the system does not know the parents. */
function topmost(processes: readonly OtherProcess[]): OtherProcess[] {
  const pids = new Set(processes.map(({ pid }) => pid))
  return processes.filter(({ pid }) => !pids.has(tryStat(pid)?.parent ?? 0))
}

const ROUNDS = 10

/** Longest wait for a process after SIGKILL, in milliseconds. */
const KILL_LIMIT = 1000

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null

async function ended(child: ChildProcess, deadline: number): Promise<void> {
  if (hasEnded(child)) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      child.off('exit', done)
      resolve()
    }
    const timer = setTimeout(done, Math.max(deadline - now(), 0))
    child.once('exit', done)
  })
}

const sleep = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 2))
