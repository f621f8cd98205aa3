import { activeHandles, activeTimerCount, isWorkerActive } from '../platform/active-resources.js'
import type { Workers } from './workers.js'

/** The objects that kept the process alive before a file began. It belongs to the runner, or to another file. */
export interface AliveBefore {
  /** Handles and worker threads. Not timers: a timer of the runner may have ended and another have taken its place. */
  readonly objects: WeakSet<object>
}

export function aliveBefore(workers: Workers): AliveBefore {
  return { objects: new WeakSet([...activeHandles(), ...activeWorkers(workers)]) }
}

/** Whether more keeps the process alive now, not counting so many timers of the runner. A closer look takes 0.1 s if there are timers. */
export function isMoreAlive({ objects }: AliveBefore, workers: Workers, timersOfRunner: number): boolean {
  const isNew = (object: object): boolean => !objects.has(object)
  return (
    activeTimerCount() > timersOfRunner ||
    activeHandles().some((handle) => canBeReported(handle) && isNew(handle)) ||
    activeWorkers(workers).some(isNew)
  )
}

/** Sockets have a report of their own. */
const canBeReported = (handle: object): boolean =>
  REPORTED.has(handle.constructor?.name) || (handle as { fd?: unknown }).fd === 0

const REPORTED: ReadonlySet<string> = new Set(['ChildProcess', 'FSWatcher', 'StatWatcher', 'MessagePort'])

const activeWorkers = (workers: Workers): object[] =>
  Array.from(workers, ([worker]) => worker).filter((worker) => worker.threadId !== -1 && isWorkerActive(worker))
