import { leaveDiffOut, type PortsideError } from '../errors.js'
import { type ReportOptions, report } from './report.js'
import type { SocketLeak } from './socket-leak.js'

/** What `verifyNoLeaks` throws: its `code` is ERR_PORTSIDE_LEAK. */
export interface LeakError extends PortsideError {
  readonly leaks: readonly SocketLeak[]
}

/** `lines` are of the stack that opened the first of them: a runner shows the source where a stack points. */
export function leakError(leaks: readonly SocketLeak[], lines: readonly string[], options: ReportOptions = {}): Error {
  const error = new Error(report(leaks, options))
  // Not among the fields that a runner prints.
  Object.defineProperty(error, 'name', { value: 'LeakError', configurable: true, writable: true })
  error.stack = [`LeakError: ${error.message}`, ...lines].join('\n')
  leaveDiffOut(error)
  return Object.assign(error, { code: 'ERR_PORTSIDE_LEAK' })
}

/** The same with fields for programs. A test runner would print them all once more. */
export function withFields(error: Error, leaks: readonly SocketLeak[]): LeakError {
  return Object.assign(error, {
    code: 'ERR_PORTSIDE_LEAK',
    headline: error.message.split('\n', 1)[0] ?? '',
    expected: 'no socket that was opened since',
    actual: `${leaks.length} open`,
    next: leaks[0] === undefined ? 'close it' : `call ${leaks[0].howToClose}`,
    leaks,
  })
}
