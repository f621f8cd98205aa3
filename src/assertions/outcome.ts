import { calledBy } from '../caller.js'
import { invalidArgument, portsideError } from '../errors.js'
import { CODELESS, TIMEOUT } from '../explanations/code-meaning.js'
import { describeCodeless, describeFailure } from '../explanations/describe.js'
import { explainFailure } from '../explanations/explain.js'
import { isErrorLike } from '../explanations/fields.js'
import { Lookup } from '../explanations/lookup.js'
import { failuresIn, placeOf, type SocketFailure } from '../explanations/socket-failure.js'
import { canonical, type Endpoint, familyOf, formatEndpoint, LOOPBACK, toEndpoint } from '../loopback/endpoint.js'
import { printable } from '../loopback/endpoint-like.js'
import { readOptions } from '../options.js'
import { describeErrno } from '../platform/errno.js'
import { whyCodeIsLost } from '../platform/lost-codes.js'
import type { UnixEndpoint } from '../servers/server.js'
import type { SocketOwner } from '../socket-table/owners.js'
import { type ActionOptions, endingOf } from './action.js'
import { type AssertionDetails, assertionError } from './assertion-error.js'
import { isThenable, type Phase } from './emitter.js'

/** An outcome that a test can expect, and how to recognize it. */
export interface Outcome {
  /** The expectation in words: 'a refused connection (ECONNREFUSED)'. */
  readonly name: string
  readonly phase: Phase
  is(failure: SocketFailure): boolean
  /** Its code of the kernel, if a runtime reports another one instead. */
  readonly lost?: string
  /** The advice if the outcome does not happen. */
  readonly next: string
}

/** Where the error must have happened: an address, a port, a family, or a combination. An endpoint fits too. */
export type ExpectedEndpoint = Partial<Endpoint>

/** An assertion that an action fails with one outcome. It resolves to the error as it was thrown. */
export type AssertOutcome = (action: unknown, expected?: ExpectedEndpoint, options?: ActionOptions) => Promise<Error>

/** Creates the assertion of an outcome. A passing one looks only at the error, and opens no file (exception: see `classify()`). */
export function assertionOf(name: string, outcome: Outcome): AssertOutcome {
  const assertion: AssertOutcome = (action, expected, options) =>
    calledBy(assertion, async () => {
      const ending = await endingOf(action, outcome.phase, () => {
        checkExpected(expected, `${name}()`)
        return readOptions(options, { of: `${name}()`, names: ['timeout', 'signal'], example: '{ timeout: 1000 }' })
      })
      if ('error' in ending) {
        const mismatch = mismatchOf(outcome, ending.error, expected)
        if (mismatch === undefined) return ending.error as Error
        refuseLostCode(outcome, ending.error)
        throw assertionError(mismatch())
      }
      throw assertionError(unfailed(outcome, expected, ending))
    })
  return assertion
}

/** Whether this is the outcome cannot be seen if the runtime reports another code for it. */
function refuseLostCode({ name, lost }: Outcome, error: unknown): void {
  const why = lost && whyCodeIsLost(lost)
  if (why === undefined || !failuresIn(error).some(({ code }) => code === 'EINVAL')) return
  throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline: `Cannot recognize ${name}`,
    because: why,
    next: 'skip the test with this reason',
    cause: error,
  })
}

/** Returns a function that explains why an error is not the outcome, with the owners; undefined if it is. */
export function mismatchOf(
  outcome: Outcome,
  error: unknown,
  expected: ExpectedEndpoint | undefined,
): (() => AssertionDetails) | undefined {
  const failures = failuresIn(error)
  const is = failures.length > 0 && failures.every((failure) => outcome.is(failure))
  if (is && (expected === undefined || failures.some((failure) => isAt(failure, expected)))) return undefined
  return () => describeMismatch(outcome, error, failures, expected)
}

function describeMismatch(
  outcome: Outcome,
  error: unknown,
  failures: readonly SocketFailure[],
  endpoint: ExpectedEndpoint | undefined,
): AssertionDetails {
  const expected = `${outcome.name}${at(endpoint)}`
  // The message explains the first failure that is not the outcome.
  const odd = failures.find((failure) => !outcome.is(failure)) ?? failures[0]
  if (odd === undefined) return codeless(expected, error, outcome)
  const explanation = explainFailure(odd)
  const details = {
    expected,
    actual: saying(odd),
    tried: failures.map(describeFailure),
    endpoint: explanation.endpoint,
    owners: explanation.owners,
    cause: error,
  }
  if (!outcome.is(odd)) return { ...details, because: explanation.cause, next: explanation.hints[0] }
  return failures.every((failure) => placeOf(failure) === undefined)
    ? { ...details, because: 'the error does not say where it happened', next: 'leave the endpoint out' }
    : {
        ...details,
        because: 'it happened elsewhere',
        next: 'see whether the code under test uses the endpoint of the test',
      }
}

function saying(failure: SocketFailure): string {
  const { code, message } = failure
  if (code === TIMEOUT) return `a timeout: ${JSON.stringify(message)}`
  if (code === CODELESS) return describeFailure(failure)
  // Only kernel codes have a system sentence.
  return `${describeFailure(failure)} (${describeErrno(code) ?? JSON.stringify(message)})`
}

function codeless(expected: string, error: unknown, outcome: Outcome): AssertionDetails {
  const next = isErrorLike(error) ? NO_CODE : isThenable(error) ? undefined : outcome.next
  return { expected, actual: describeCodeless(error), next, cause: error }
}

const NO_CODE = 'look at the code that creates it: an error that wraps one of the kernel must keep it as its cause'

function unfailed(
  outcome: Outcome,
  expected: ExpectedEndpoint | undefined,
  ending: Exclude<Awaited<ReturnType<typeof endingOf>>, { error: unknown }>,
): AssertionDetails {
  const place = 'success' in ending ? ending.success.endpoint : ending.endpoint
  const endpoint = place ?? complete(expected)
  return {
    expected: `${outcome.name}${at(expected)}`,
    actual: 'success' in ending ? ending.success.text : ending.nothing,
    endpoint,
    owners: endpoint === undefined ? [] : holdersOf(endpoint),
    next: outcome.next,
  }
}

/** TIME_WAIT does not block a bind: Node sets SO_REUSEADDR. */
function holdersOf(endpoint: Endpoint): readonly SocketOwner[] {
  const owners = new Lookup().owners(endpoint, undefined) ?? []
  return owners.every(({ state }) => state === 'TIME_WAIT')
    ? owners
    : owners.filter(({ state }) => state !== 'TIME_WAIT')
}

function isAt(failure: SocketFailure, expected: ExpectedEndpoint): boolean {
  const { endpoints } = expected as { endpoints?: readonly ExpectedEndpoint[] }
  // A dual-stack server has an endpoint for each family.
  if (endpoints !== undefined && endpoints.length > 1) return endpoints.some((endpoint) => isAt(failure, endpoint))
  const { address, port, family } = expected as Partial<Endpoint | UnixEndpoint>
  if (failure.path !== undefined) {
    return address === failure.path && !port && (family === undefined || family === 'Unix')
  }
  const at = failure.address === undefined ? undefined : canonical(failure.address)
  return (
    (address === undefined || (at !== undefined && isSameHost(at, address))) &&
    (port === undefined || failure.port === port) &&
    (family === undefined || (at !== undefined && familyOf(at) === family))
  )
}

function isSameHost(address: string, expected: string): boolean {
  return expected === 'localhost' ? address === LOOPBACK[familyOf(address)] : address === canonical(expected)
}

function at(expected: ExpectedEndpoint | undefined): string {
  if (expected === undefined) return ''
  const { address, port, family } = expected
  if (address !== undefined) return ` at ${port ? formatEndpoint({ address, port }) : printable(address)}`
  return ` at ${[port === undefined ? '' : `port ${port}`, family].filter(Boolean).join(' of ')}`
}

function complete({ address, port }: ExpectedEndpoint = {}): Endpoint | undefined {
  return address === undefined || !port ? undefined : toEndpoint(address, port)
}

/** Throws for an expected endpoint that every error or no error would match. */
export function checkExpected(expected: unknown, of: string): void {
  if (expected === undefined) return
  if (typeof expected !== 'object' || expected === null) {
    throw invalidArgument(
      'ERR_INVALID_ARG_TYPE',
      'expected',
      'an endpoint: { address, port, family }, or a part of it',
      expected,
    )
  }
  if (isPlain(expected)) {
    const instead = { host: 'pass address, as an error has it' }
    readOptions(expected, { of: `the endpoint of ${of}`, names: ['address', 'port', 'family'], instead })
  }
  const { address, port, family, host } = fieldsOf(expected)
  if (address === undefined && typeof host === 'string') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'expected', 'address, as an error has it, and not host', expected)
  }
  if (address === undefined && port === undefined && family === undefined) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'expected', 'at least one of address, port and family', expected)
  }
  if (address !== undefined && typeof address !== 'string') {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'address', 'a string', address)
  }
  if (port !== undefined && !(Number.isInteger(port) && (port as number) >= 0 && (port as number) <= 65_535)) {
    throw invalidArgument('ERR_SOCKET_BAD_PORT', 'port', 'an integer from 0 to 65535', port)
  }
  if (family !== undefined && !FAMILIES.has(family)) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'family', "'IPv4' or 'IPv6'", family)
  }
}

/** Endpoints, servers and reservations have more fields than the compared ones, so only plain objects are checked for unknown fields. */
function isPlain(expected: object): boolean {
  try {
    const prototype: unknown = Object.getPrototypeOf(expected)
    return (
      (prototype === Object.prototype || prototype === null) && !('close' in expected) && !('endpoints' in expected)
    )
  } catch {
    // A proxy that throws: reading it below fails with a code.
    return true
  }
}

function fieldsOf(expected: object): Record<string, unknown> {
  const { address, port, family, host } = expected as Record<string, unknown>
  return { address, port, family, host }
}

/** A unix server has the family Unix, and a path as its address. */
const FAMILIES: ReadonlySet<unknown> = new Set(['IPv4', 'IPv6', 'Unix'])
