import { type PortsideError, portsideError } from '../errors.js'
import type { Endpoint } from '../loopback/endpoint.js'
import { now } from '../timers.js'
import type { Connection, ConnectionState } from './connection.js'
import { destroyTogether, reset } from './pair.js'
import type { Pair } from './registry.js'
import { formatTuple } from './tuple.js'

export type Force = 'destroy' | 'reset' | 'reject'

export interface DrainReport {
  outcomes: ConnectionOutcome[]
  /** Milliseconds from the call to the last close. */
  duration: number
  /** How many outcomes of each kind there are. */
  closed: number
  destroyed: number
  reset: number
}

export interface ConnectionOutcome {
  local: Endpoint | string
  remote: Endpoint | string | undefined
  /** `closed`: within the grace, without force. */
  outcome: 'closed' | 'destroyed' | 'reset'
  /** What the connection was doing when the drain began. */
  state: ConnectionState
  /** Milliseconds since it was tracked, when the drain ended it. */
  age: number
  bytesRead: number
  bytesWritten: number
  /** Bytes that Node still held when force was used. */
  pendingBytes: number
  /** The request line in flight when the drain began. */
  request?: string
  /** The first error that the socket raised in its life, such as a peer's reset. */
  error?: Error
}

/** Rejection of a drain with `force: 'reject'`. Everything it names has been cleaned up. */
export interface DrainError extends PortsideError {
  code: 'ERR_PORTSIDE_DRAIN'
  stragglers: ConnectionOutcome[]
  report: DrainReport
}

/** A connection on its way out, as it was when the drain began. */
export class Straggler {
  readonly #state: ConnectionState
  readonly #request: string | undefined
  readonly #tuple: Connection['tuple']
  readonly closed: Promise<void>
  /** Both its ends, where both are in this process. */
  pair: Pair | undefined
  #outcome: ConnectionOutcome['outcome'] = 'closed'
  #pendingBytes = 0
  #endedAt: number | undefined

  constructor(readonly connection: Connection) {
    this.#state = connection.protocol.state()
    this.#request = connection.protocol.request()
    this.#tuple = connection.tuple
    // What is in flight already is told to be the last; what the kernel still holds is read as if nothing had happened.
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

export function makeReport(stragglers: Straggler[], begun: number): DrainReport {
  const outcomes = stragglers.map((straggler) => straggler.toOutcome())
  const report = { outcomes, duration: now() - begun, closed: 0, destroyed: 0, reset: 0 }
  for (const { outcome } of outcomes) report[outcome]++
  return report
}

/** With `force: 'reject'`: names everybody who had to be ended. */
export function drainError(name: string, report: DrainReport, grace: number): DrainError {
  const stragglers = report.outcomes.filter(({ outcome }) => outcome !== 'closed')
  const count = stragglers.length === 1 ? '1 connection was' : `${stragglers.length} connections were`
  const error = portsideError('ERR_PORTSIDE_DRAIN', {
    name: 'DrainError',
    headline: `Cannot drain ${name}: ${count} still open after the grace of ${grace} ms and had to be closed`,
    actual: stragglers.map(describeStraggler).join('\n'),
    next: 'end these in the code under test, or give a longer grace',
  })
  return Object.assign(error, { stragglers, report }) as DrainError
}

function describeStraggler(outcome: ConnectionOutcome): string {
  const { state, request, age, bytesRead, bytesWritten, pendingBytes } = outcome
  return [
    `- ${formatTuple(outcome)}`,
    request === undefined ? state : `${state}, ${request}`,
    `open for ${Math.round(age)} ms`,
    `${bytesRead} bytes read, ${bytesWritten} written${pendingBytes > 0 ? `, ${pendingBytes} of them still queued in Node` : ''}`,
  ].join('; ')
}

export function stuck(name: string, stragglers: Straggler[], limit: number): Error {
  const left = stragglers.filter(({ connection }) => !connection.closed).map((straggler) => straggler.toOutcome())
  return portsideError('ERR_PORTSIDE_DRAIN_STUCK', {
    headline: `Cannot drain ${name}: ${left.length} destroyed sockets did not emit 'close' within ${limit} ms`,
    actual: left.map(describeStraggler).join('\n'),
    because: 'something keeps the socket from closing, most likely an overridden destroy or a removed listener',
    next: 'look for code that calls removeAllListeners() on the socket or replaces its methods',
  })
}

export function hookError(name: string, errors: readonly unknown[], report: DrainReport): Error {
  const first = errors[0] as Error | undefined
  const error = portsideError('ERR_PORTSIDE_DRAIN_HOOK', {
    headline: `${errors.length === 1 ? 'A drain hook' : `${errors.length} drain hooks`} of ${name} failed: ${first?.message ?? String(first)}`,
    next: 'fix the onDrain() hook; the connections were drained anyway',
    cause: first,
  })
  return Object.assign(error, { errors, report })
}
