import { type PortsideError, portsideError } from '../errors.js'
import { list } from '../explanations/describe.js'
import type { Endpoint } from '../loopback/endpoint.js'
import { type MessageLines, messageOf } from '../message.js'
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

export interface PortsideAssertionError extends PortsideError {
  code: 'ERR_PORTSIDE_ASSERTION'
  expected: string
  actual: string
  endpoint?: Endpoint | string
  owners: readonly SocketOwner[]
  because?: string
  next?: string
}

export function assertionError(details: AssertionDetails): PortsideAssertionError {
  const { expected, actual, endpoint, owners = [], because, next, cause } = details
  const error = portsideError(
    'ERR_PORTSIDE_ASSERTION',
    // Jest prints what is named AssertionError its own way: expected and actual once more, and as a difference.
    { name: 'PortsideAssertionError', headline: headlineOf(details), expected, actual, because, next, cause },
    linesOf(details),
  )
  // Not those of the error that was looked at: it is in `cause`.
  for (const name of ['errno', 'syscall', 'address', 'port'] as const) delete error[name]
  return Object.assign(error, { owners }, endpoint === undefined ? {} : { endpoint }) as PortsideAssertionError
}

export const assertionMessage = (details: AssertionDetails): string => messageOf(headlineOf(details), linesOf(details))

const headlineOf = ({ expected }: AssertionDetails): string => `Expected ${expected}`

function linesOf({ actual, tried, owners, because, next }: AssertionDetails): MessageLines {
  const held = list(owners?.map(describeOwner) ?? [])
  return {
    actual,
    tried: tried !== undefined && tried.length > 1 ? list([...new Set(tried)]) : undefined,
    because,
    // Not twice, if it is the cause.
    owner: because?.includes(held) ? undefined : held,
    next,
  }
}
