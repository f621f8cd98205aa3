import type { Worker } from 'node:worker_threads'
import { hear } from '../platform/channels.js'
import { WeakList } from '../weak-list.js'
import type { Owner } from './owner.js'
import { type Trace, takeTrace } from './trace.js'

/** The owner that made a worker thread, and the place. */
export interface TrackedWorker {
  readonly owner: Owner | undefined
  readonly trace: Trace
}

/** The worker threads that were made since tracking began. */
export class Workers {
  readonly #made = new WeakMap<Worker, TrackedWorker>()
  readonly #all = new WeakList<Worker>()

  constructor(ownerNow: () => Owner | undefined) {
    const made = ({ worker }: { worker: Worker }): void => {
      this.#made.set(worker, { owner: ownerNow(), trace: takeTrace(made) })
      this.#all.add(worker)
    }
    hear('worker_threads', made)
  }

  *[Symbol.iterator](): Generator<readonly [Worker, TrackedWorker], void, void> {
    for (const worker of this.#all) {
      const made = this.#made.get(worker)
      if (made !== undefined) yield [worker, made]
    }
  }
}
