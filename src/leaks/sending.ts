import type { Owner } from './owner.js'
import type { Trace } from './trace.js'

/** The last use of a socket of a client pool. */
export interface Sending {
  /** On the counter of activity in this process, as for a tracked socket. */
  readonly sequence: number
  readonly owner: Owner | undefined
  readonly trace: Trace
  /** `GET /large`. */
  readonly request: string
}
