import { beginOutside } from './caller.js'
import { bounded, describeType, type MessageLines, messageOf } from './message.js'

/** The facts of an error of portside. People read them in `message`, programs in the fields. */
export interface ErrorDetails extends MessageLines {
  /** One sentence that says what failed and where: 'Cannot listen on 127.0.0.1:3000'. */
  headline: string
  /** @default 'PortsideError' */
  name?: string
  /** The name of the invalid argument or option. */
  argument?: string | undefined
  /** The error behind this one; its errno fields are carried over. */
  cause?: unknown
}

/**
 * The codes of portside. If the system or Node has a code for a failure, portside uses that code instead.
 * @see `docs/errors.md#portside`
 */
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

/**
 * The shape of every error of portside. Distinguish errors by `code`: classes differ between two builds.
 * @see `docs/errors.md#portside`
 */
export interface PortsideError extends Error {
  code: string
  /** The first line of the message: what failed, and where. */
  headline: string
  /** The invalid argument or option, if that is the error. */
  argument?: string
  /** The line `expected` of the message. */
  expected?: string
  /** The line `got` of the message. */
  actual?: string
  /** The line `cause` of the message: why it failed. */
  because?: string
  /** The line `owner` of the message: the process that holds the address. */
  owner?: string
  /** The line `opened at` of the message: the line of this process that opened the socket. */
  openedAt?: string
  /** The line `fix` of the message: one thing to do. */
  next?: string
  /** All errors, if several things failed. */
  errors?: readonly unknown[]
  /** The error number of the system, if the system failed. */
  errno?: number
  /** The system call that failed. */
  syscall?: string
  /** The address of the failed call. */
  address?: string
  /** The port of the failed call. */
  port?: number
}

/** Creates an error. `shown` has the fields that become lines of the message; by default all. */
export function portsideError(code: string, details: ErrorDetails, shown: MessageLines = details): PortsideError {
  const { cause, name = 'PortsideError', ...fields } = details
  const error = new Error(messageOf(details.headline, shown), cause === undefined ? {} : { cause })
  error.name = name
  Error.captureStackTrace?.(error, portsideError)
  beginOutside(error)
  leaveDiffOut(error)
  return Object.assign(error, { code }, systemFields(cause), boundedTexts(defined(fields))) as PortsideError
}

/** The message already has `expected` and `actual`, and a runner would print them again. */
export function leaveDiffOut(error: Error): void {
  Object.defineProperty(error, 'showDiff', { value: false, enumerable: false })
}

/** Creates the error of an invalid argument, with the code that Node uses for it. */
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

/** Creates the error of an aborted call. `asked` names the operation: 'listen on 127.0.0.1:3000'. */
export function abortError(signal: AbortSignal, asked: string): PortsideError {
  return portsideError('ABORT_ERR', {
    name: 'AbortError',
    headline: `Cannot ${asked}: the signal was aborted`,
    next: 'read .cause for the reason of the abort',
    cause: signal.reason,
  })
}

/** The `code` of a thrown value; undefined if it has none. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

function systemFields(cause: unknown): object {
  try {
    const { errno, syscall, address, port } = (cause ?? {}) as Record<string, unknown>
    return defined({ errno, syscall, address, port })
  } catch {
    // The reason of a signal can be any value, such as a proxy that throws.
    return {}
  }
}

/** A runner also prints the fields, so they are shortened too. */
function boundedTexts(fields: object): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? bounded(value) : value]),
  )
}

function defined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
