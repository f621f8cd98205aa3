import { type PortsideError, portsideError } from '../errors.js'
import { listOf } from '../message.js'
import { thrownText } from '../thrown-text.js'
import { now } from '../timers.js'
import type { ConnectionOutcome } from './connection-outcome.js'
import type { Departing } from './departing.js'
import { formatTuple } from './tuple.js'

/**
 * How a drain closed its connections.
 *
 * @see `docs/sockets.md#the-report`
 */
export interface DrainReport {
  /** Every connection that was open when the drain began, and every connection accepted later. */
  outcomes: ConnectionOutcome[]
  /** Milliseconds from the call to the last close. */
  duration: number
  /** How many connections closed within the grace, without force. */
  closed: number
  /** How many connections force destroyed. */
  destroyed: number
  /** How many connections force reset. */
  reset: number
}

/**
 * The rejection of a drain with `force: 'reject'`. The connections that it names are already closed.
 *
 * @see `docs/sockets.md#force`
 */
export interface DrainError extends PortsideError {
  code: 'ERR_PORTSIDE_DRAIN'
  /** The connections that were closed by force. */
  stragglers: ConnectionOutcome[]
  /** The report of the whole drain. */
  report: DrainReport
}

export function makeReport(departing: Departing[], begun: number): DrainReport {
  const outcomes = departing.map((each) => each.toOutcome())
  const report = { outcomes, duration: now() - begun, closed: 0, destroyed: 0, reset: 0 }
  for (const { outcome } of outcomes) report[outcome]++
  return report
}

/** The rejection with `force: 'reject'`. It names each connection that was closed by force. */
export function drainError(name: string, report: DrainReport, grace: number): DrainError {
  const stragglers = report.outcomes.filter(({ outcome }) => outcome !== 'closed')
  const count = stragglers.length === 1 ? '1 connection was' : `${stragglers.length} connections were`
  const error = portsideError('ERR_PORTSIDE_DRAIN', {
    name: 'DrainError',
    headline: `Cannot drain ${name}: ${count} still open after the grace of ${grace} ms and had to be closed`,
    actual: listOf(stragglers, describeOutcome),
    next: 'close these in the code under test, or pass a longer grace',
  })
  return Object.assign(error, { stragglers, report }) as DrainError
}

function describeOutcome(outcome: ConnectionOutcome): string {
  const { state, request, age, bytesRead, bytesWritten, pendingBytes } = outcome
  return [
    `- ${formatTuple(outcome)}`,
    request === undefined ? state : `${state}, ${request}`,
    `open for ${Math.round(age)} ms`,
    `${bytesRead} bytes read, ${bytesWritten} written${pendingBytes > 0 ? `, ${pendingBytes} of them still queued in Node` : ''}`,
  ].join('; ')
}

export function stuck(name: string, departing: Departing[], limit: number): Error {
  const left = departing.filter(({ connection }) => !connection.closed).map((each) => each.toOutcome())
  return portsideError('ERR_PORTSIDE_DRAIN_STUCK', {
    headline: `Cannot drain ${name}: ${left.length} destroyed sockets did not emit 'close' within ${limit} ms`,
    actual: listOf(left, describeOutcome),
    because: 'some code keeps the socket from closing, most likely an overridden destroy or a removed listener',
    next: 'look for code that calls removeAllListeners() on the socket or replaces its methods',
  })
}

export function hookError(name: string, errors: readonly unknown[], report: DrainReport): Error {
  const [first] = errors
  const error = portsideError('ERR_PORTSIDE_DRAIN_HOOK', {
    headline: `${errors.length === 1 ? 'A drain hook' : `${errors.length} drain hooks`} of ${name} failed: ${thrownText(first)}`,
    next: 'fix the onDrain() hook; the connections were drained anyway',
    cause: first,
  })
  return Object.assign(error, { errors, report })
}
