import { type PortsideError, portsideError } from '../errors.js'
import { list } from '../explanations/describe.js'
import type { Endpoint } from '../loopback/endpoint.js'
import { type MessageLines, messageOf } from '../message.js'
import { describeOwner, type SocketOwner } from '../socket-table/owners.js'

/** The facts of a failed assertion. People read them in `message`, programs in the fields. */
export interface AssertionDetails {
  readonly expected: string
  readonly actual: string
  /** The failed attempts, if there were several addresses. */
  readonly tried?: readonly string[] | undefined
  readonly endpoint?: Endpoint | string | undefined
  /** The sockets that hold the address now. */
  readonly owners?: readonly SocketOwner[] | undefined
  readonly because?: string | undefined
  readonly next?: string | undefined
  /** The error that the assertion looked at. */
  readonly cause?: unknown
}

/**
 * The error of a failed assertion. Its `name` is `PortsideAssertionError`, its `cause` the error that the assertion looked at.
 * @see `docs/errors.md#err_portside_assertion`
 */
export interface PortsideAssertionError extends PortsideError {
  code: 'ERR_PORTSIDE_ASSERTION'
  /** The expected outcome, and where. */
  expected: string
  /** The outcome that came instead. */
  actual: string
  /** Where it happened, if the error says; for a unix socket the path. */
  endpoint?: Endpoint | string
  /** The sockets that hold the address now. */
  owners: readonly SocketOwner[]
  /** Why it happened, if that is known. */
  because?: string
  /** One thing to do. */
  next?: string
}

export function assertionError(details: AssertionDetails): PortsideAssertionError {
  const { expected, actual, endpoint, owners = [], because, next, cause } = details
  const error = portsideError(
    'ERR_PORTSIDE_ASSERTION',
    // Jest prints an error named AssertionError in its own way: with a second expected and actual, as a diff.
    { name: 'PortsideAssertionError', headline: headlineOf(details), expected, actual, because, next, cause },
    linesOf(details),
  )
  // These belong to the error in `cause`.
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
    // Omitted if the line `cause` already has it.
    owner: because?.includes(held) ? undefined : held,
    next,
  }
}
