import { leaveDiffOut, type PortsideError } from '../errors.js'
import { type ReportOptions, report } from './report.js'
import type { SocketLeak } from './socket-leak.js'

/** The error that `verifyNoLeaks()` rejects with. Its `code` is ERR_PORTSIDE_LEAK. */
export interface LeakError extends PortsideError {
  /** All leaks, including those that the message only counts. */
  readonly leaks: readonly SocketLeak[]
}

/** `lines` are the stack that opened the first leak: a runner shows the source line at the top of a stack. */
export function leakError(leaks: readonly SocketLeak[], lines: readonly string[], options: ReportOptions = {}): Error {
  const error = new Error(report(leaks, options))
  // Not enumerable, so a runner does not print it as a field.
  Object.defineProperty(error, 'name', { value: 'LeakError', configurable: true, writable: true })
  error.stack = [`LeakError: ${error.message}`, ...lines].join('\n')
  leaveDiffOut(error)
  return Object.assign(error, { code: 'ERR_PORTSIDE_LEAK' })
}

/** Adds fields for programs. Only here: a test runner would print all of them below the message. */
export function withFields(error: Error, leaks: readonly SocketLeak[]): LeakError {
  return Object.assign(error, {
    code: 'ERR_PORTSIDE_LEAK',
    headline: error.message.split('\n', 1)[0] ?? '',
    expected: 'no open socket that was opened since the snapshot',
    actual: `${leaks.length} open`,
    next: leaks[0] === undefined ? 'close it' : `call ${leaks[0].howToClose}`,
    leaks,
  })
}
