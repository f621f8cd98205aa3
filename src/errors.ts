import { beginOutside } from './caller.js'
import { bounded, describeType, type MessageLines, messageOf } from './message.js'

/** What an error of portside says: for people in `message`, for programs in fields. */
export interface ErrorDetails extends MessageLines {
  /** A sentence: what failed, and where. 'Cannot listen on 127.0.0.1:3000'. */
  headline: string
  /** Default `PortsideError`. */
  name?: string
  /** The name of the argument or option that is wrong. */
  argument?: string | undefined
  /** The error behind this one; its errno fields are carried over. */
  cause?: unknown
}

/** The `code`s of portside itself. Where the system or Node has a code for it, that code is used instead. */
export type PortsideErrorCode =
  | 'ERR_PORTSIDE_ASSERTION'
  | 'ERR_PORTSIDE_CHILD_EXITED'
  | 'ERR_PORTSIDE_CLOSED_WHILE_LISTENING'
  | 'ERR_PORTSIDE_CONNECT_TIMEOUT'
  | 'ERR_PORTSIDE_DRAIN'
  | 'ERR_PORTSIDE_DRAIN_HOOK'
  | 'ERR_PORTSIDE_DRAIN_STUCK'
  | 'ERR_PORTSIDE_DRAINING'
  | 'ERR_PORTSIDE_FAMILY_UNAVAILABLE'
  | 'ERR_PORTSIDE_HANDLER'
  | 'ERR_PORTSIDE_LATE_ATTACH'
  | 'ERR_PORTSIDE_LARGE_RANGE'
  | 'ERR_PORTSIDE_LEAK'
  | 'ERR_PORTSIDE_NAMESPACE'
  | 'ERR_PORTSIDE_NO_PORT'
  | 'ERR_PORTSIDE_NOT_READY'
  | 'ERR_PORTSIDE_PORT_TAKEN'
  | 'ERR_PORTSIDE_RESERVATION_RELEASED'
  | 'ERR_PORTSIDE_SCOPE_CLOSED'
  | 'ERR_PORTSIDE_SELF_CONNECT'
  | 'ERR_PORTSIDE_SERVER_CLOSED'
  | 'ERR_PORTSIDE_UNDO'
  | 'ERR_PORTSIDE_UNKNOWN_OPTION'
  | 'ERR_PORTSIDE_UNSUPPORTED'
  | 'ERR_PORTSIDE_WAIT_TIMEOUT'

/** Every error that portside makes has this shape. Tell them apart by `code`; classes differ between two builds. */
export interface PortsideError extends Error {
  code: string
  /** The first line of the message. */
  headline: string
  /** Of an argument error: the argument or option that is wrong. */
  argument?: string
  expected?: string
  actual?: string
  because?: string
  owner?: string
  openedAt?: string
  next?: string
  /** All of them, if several things failed. */
  errors?: readonly unknown[]
  errno?: number
  syscall?: string
  address?: string
  port?: number
}

/** `shown` says which fields the message has as lines; by default all of them. */
export function portsideError(code: string, details: ErrorDetails, shown: MessageLines = details): PortsideError {
  const { cause, name = 'PortsideError', ...fields } = details
  const error = new Error(messageOf(details.headline, shown), cause === undefined ? {} : { cause })
  error.name = name
  Error.captureStackTrace?.(error, portsideError)
  beginOutside(error)
  leaveDiffOut(error)
  return Object.assign(error, { code }, systemFields(cause), boundedTexts(defined(fields))) as PortsideError
}

/** The message has it all, and runners would print `expected` and `actual` once more. */
export function leaveDiffOut(error: Error): void {
  Object.defineProperty(error, 'showDiff', { value: false, enumerable: false })
}

/** A bad argument, with the code that Node itself uses for it. */
export function invalidArgument(
  code: 'ERR_INVALID_ARG_TYPE' | 'ERR_INVALID_ARG_VALUE' | 'ERR_OUT_OF_RANGE' | 'ERR_SOCKET_BAD_PORT',
  argument: string,
  expected: string,
  value: unknown,
  next?: string,
): PortsideError {
  const actual = describeType(value)
  const headline = `Invalid \`${argument}\`: expected ${expected}, got ${actual}`
  const name = code === 'ERR_INVALID_ARG_TYPE' ? 'TypeError' : 'RangeError'
  return portsideError(code, { name, headline, argument, expected, actual, next }, { next })
}

/** `asked` is what was to be done: 'listen on 127.0.0.1:3000'. */
export function abortError(signal: AbortSignal, asked: string): PortsideError {
  return portsideError('ABORT_ERR', {
    name: 'AbortError',
    headline: `Cannot ${asked}: the signal was aborted`,
    next: 'read .cause for the reason of the abort',
    cause: signal.reason,
  })
}

/** The `code` of whatever was thrown; undefined where it has none. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

function systemFields(cause: unknown): object {
  try {
    const { errno, syscall, address, port } = (cause ?? {}) as Record<string, unknown>
    return defined({ errno, syscall, address, port })
  } catch {
    // Whatever a signal was aborted with: a proxy that throws.
    return {}
  }
}

/** A runner prints the fields, too. */
function boundedTexts(fields: object): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? bounded(value) : value]),
  )
}

function defined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
