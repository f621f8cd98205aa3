/** What an error of portside says, for people in `message` and for programs in fields. */
export interface ErrorDetails {
  /** What was asked of portside, in the present tense: 'listen on 127.0.0.1:3000'. */
  asked: string
  expected?: string | undefined
  actual?: string | undefined
  /** Why, where it is known. */
  because?: string | undefined
  /** One thing to do next. */
  next?: string | undefined
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
  | 'ERR_PORTSIDE_RESERVATION_RELEASED'
  | 'ERR_PORTSIDE_SCOPE_CLOSED'
  | 'ERR_PORTSIDE_SELF_CONNECT'
  | 'ERR_PORTSIDE_SERVER_CLOSED'
  | 'ERR_PORTSIDE_UNDO'
  | 'ERR_PORTSIDE_UNSUPPORTED'
  | 'ERR_PORTSIDE_WAIT_TIMEOUT'

/** Every error that portside makes has this shape. Tell them apart by `code`; classes differ between two builds. */
export interface PortsideError extends Error {
  code: string
  asked: string
  /** The name of the invalid argument, such as `mtu`. */
  argument?: string
  expected?: string
  actual?: string
  because?: string
  next?: string
  /** All of them, where several things failed. */
  errors?: readonly unknown[]
  errno?: number
  syscall?: string
  address?: string
  port?: number
}

export function portsideError(code: string, details: ErrorDetails): PortsideError {
  const error = new Error(describe(details), details.cause === undefined ? {} : { cause: details.cause })
  const { cause, ...fields } = details
  Error.captureStackTrace?.(error, portsideError)
  leaveDiffOut(error)
  return Object.assign(error, { name: 'PortsideError', code }, systemFields(cause), defined(fields)) as PortsideError
}

/** The message has it all, and runners would print `expected` and `actual` once more. */
export function leaveDiffOut(error: Error): void {
  Object.defineProperty(error, 'showDiff', { value: false, enumerable: false })
}

/** A bad argument, with the code that Node itself uses for it. */
export function invalidArgument(
  code: 'ERR_INVALID_ARG_TYPE' | 'ERR_INVALID_ARG_VALUE' | 'ERR_OUT_OF_RANGE' | 'ERR_SOCKET_BAD_PORT',
  name: string,
  expected: string,
  value: unknown,
): PortsideError {
  const error = portsideError(code, {
    asked: `take what was given as ${name}`,
    expected,
    actual: inspectValue(value),
    next: `pass ${expected}`,
  })
  error.name = code === 'ERR_INVALID_ARG_TYPE' ? 'TypeError' : 'RangeError'
  error.argument = name
  return error
}

export function abortError(signal: AbortSignal, asked: string): PortsideError {
  const error = portsideError('ABORT_ERR', {
    asked,
    because: 'its signal was aborted',
    next: 'see .cause for the reason that the signal gave',
    cause: signal.reason,
  })
  error.name = 'AbortError'
  error.code = 'ABORT_ERR'
  return error
}

/** Refuses options that are no object, and a signal that is none, before anything is opened. */
export function checkOptions(options: unknown): void {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'options', 'an object', options)
  }
  const { signal } = options as { signal?: Partial<AbortSignal> | null }
  if (signal !== undefined && typeof signal?.addEventListener !== 'function') {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'signal', 'an AbortSignal', signal)
  }
}

/** The `code` of whatever was thrown; undefined where it has none. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

function describe({ asked, expected, actual, because, next }: ErrorDetails): string {
  const outcome = [expected && `expected ${expected}`, actual && `got ${actual}`].filter(Boolean).join(', ')
  return [
    `portside could not ${asked}${outcome && `: ${outcome}`}${outcome.endsWith('\n') ? '' : '.'}`,
    because && `Cause: ${because}.`,
    next && `Next: ${next}.`,
  ]
    .filter(Boolean)
    .join(' ')
    .replace(/\n /g, '\n')
}

function systemFields(cause: unknown): object {
  const { errno, syscall, address, port } = (cause ?? {}) as Record<string, unknown>
  return defined({ errno, syscall, address, port })
}

function defined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function inspectValue(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`
  if (typeof value === 'function') return `a function ${value.name || '(anonymous)'}`
  if (typeof value === 'object' && value !== null) return `an object of ${value.constructor?.name ?? 'no class'}`
  return String(value)
}
