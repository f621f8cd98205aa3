import { now } from '../timers.js'
import type { Connection, ConnectionState } from './connection.js'
import type { ConnectionOutcome } from './connection-outcome.js'
import { destroyTogether, reset } from './pair.js'
import type { Pair } from './registry.js'

export type Force = 'destroy' | 'reset' | 'reject'

/** A connection that a drain closes, with its state when the drain began. */
export class Departing {
  readonly #state: ConnectionState
  readonly #request: string | undefined
  readonly #tuple: Connection['tuple']
  readonly closed: Promise<void>
  /** Both ends, if both are in this process. */
  pair: Pair | undefined
  #outcome: ConnectionOutcome['outcome'] = 'closed'
  #pendingBytes = 0
  #endedAt: number | undefined

  constructor(readonly connection: Connection) {
    this.#state = connection.protocol.state()
    this.#request = connection.protocol.request()
    this.#tuple = connection.tuple
    // A request in flight becomes the last. Requests that the kernel still holds are read as usual.
    if (this.#state === 'head' || this.#state === 'active') connection.quiesce(() => {})
    this.closed = new Promise((resolve) => {
      connection.whenClosed(() => {
        this.#endedAt = now()
        resolve()
      })
    })
  }

  end(force: Force): void {
    const { connection, pair } = this
    if (connection.closed) return
    const { stream, protocol } = connection
    this.#pendingBytes = stream.writableLength
    this.#outcome = 'destroyed'
    if (force === 'reset') {
      if (reset(connection)) this.#outcome = 'reset'
    } else if (pair !== undefined) {
      destroyTogether(pair)
    } else {
      stream.destroy()
    }
    protocol.abandon?.()
  }

  toOutcome(): ConnectionOutcome {
    const { connection } = this
    const { stream, error, since } = connection
    return {
      local: this.#tuple.local,
      remote: this.#tuple.remote,
      outcome: this.#outcome,
      state: this.#state,
      age: (this.#endedAt ?? now()) - since,
      bytesRead: stream.bytesRead ?? 0,
      bytesWritten: stream.bytesWritten ?? 0,
      pendingBytes: this.#pendingBytes,
      ...(this.#request === undefined ? {} : { request: this.#request }),
      ...(error === undefined ? {} : { error }),
    }
  }
}
