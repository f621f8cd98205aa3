import { leaveDiffOut } from '../errors.js'
import type { Endpoint } from '../loopback/endpoint.js'
import { describeOwner, type SocketOwner } from '../socket-table/owners.js'

/** What a failed assertion says, for people in `message` and for programs in fields. */
export interface AssertionDetails {
  readonly expected: string
  readonly actual: string
  /** What was tried, where there were several addresses. */
  readonly tried?: readonly string[] | undefined
  readonly endpoint?: Endpoint | string | undefined
  /** Who holds the address now. */
  readonly owners?: readonly SocketOwner[] | undefined
  readonly because?: string | undefined
  readonly next?: string | undefined
  /** The error that was looked at. */
  readonly cause?: unknown
}

export interface PortsideAssertionError extends Error {
  code: 'ERR_PORTSIDE_ASSERTION'
  expected: string
  actual: string
  endpoint?: Endpoint | string
  owners: readonly SocketOwner[]
  because?: string
  next?: string
}

export function assertionError(details: AssertionDetails): PortsideAssertionError {
  const { tried, cause, owners = [], ...fields } = details
  const error = new Error(assertionMessage(details), cause === undefined ? {} : { cause })
  // Jest prints what is named AssertionError its own way: expected and actual once more, and as a difference.
  error.name = 'PortsideAssertionError'
  Error.captureStackTrace?.(error, assertionError)
  for (const [name, value] of Object.entries(fields))
    if (value === undefined) delete fields[name as keyof typeof fields]
  leaveDiffOut(error)
  return Object.assign(error, { code: 'ERR_PORTSIDE_ASSERTION' as const, owners, ...fields }) as PortsideAssertionError
}

/** One subject a line. */
export function assertionMessage({ expected, actual, tried, owners, because, next }: AssertionDetails): string {
  const held = owners?.map(describeOwner).join('; ') ?? ''
  return [
    `expected ${expected}`,
    `got      ${actual}`,
    tried && tried.length > 1 && `tried    ${tried.join('; ')}`,
    // Not twice, where it is the cause.
    held && !because?.includes(held) && `now      ${held}`,
    because && `cause    ${because}`,
    next && `next     ${next}`,
  ]
    .filter(Boolean)
    .join('\n')
}
