import type { Owner } from './owner.js'
import type { Trace } from './trace.js'

/** Who used a socket of a client pool last. */
export interface Sending {
  /** Counts what is done in this process, as that of a tracked socket. */
  readonly sequence: number
  readonly owner: Owner | undefined
  readonly trace: Trace
  /** `GET /large`. */
  readonly request: string
}
