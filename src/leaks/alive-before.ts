import { activeHandles, activeTimerCount, isWorkerActive } from '../platform/active-resources.js'
import type { Workers } from './workers.js'

/** What kept the process alive before a file began: that is the runner's, or another file's. */
export interface AliveBefore {
  /** Handles, and worker threads. Not timers: one of the runner may be over by now, and another be there. */
  readonly objects: WeakSet<object>
}

export function aliveBefore(workers: Workers): AliveBefore {
  return { objects: new WeakSet([...activeHandles(), ...activeWorkers(workers)]) }
}

/** Whether there is more by now. Without that, nothing has to be looked at. */
export function isMoreAlive({ objects }: AliveBefore, workers: Workers): boolean {
  const isNew = (object: object): boolean => !objects.has(object)
  return activeTimerCount() > 0 || activeHandles().some(isNew) || activeWorkers(workers).some(isNew)
}

const activeWorkers = (workers: Workers): object[] =>
  Array.from(workers, ([worker]) => worker).filter((worker) => worker.threadId !== -1 && isWorkerActive(worker))
