import { checkBoolean, readArgument } from '../argument.js'
import { invalidArgument, portsideError } from '../errors.js'
import { validPort } from '../loopback/address.js'
import { FETCH_REFUSES } from '../loopback/fetch-ports.js'
import type { PortRange } from '../platform/ephemeral-range.js'

export interface CandidateOptions {
  port?: number | Iterable<number> | undefined
  exclude?: Iterable<number> | undefined
  fetchSafe?: boolean | undefined
}

/** Which ports a reservation may have, and in which order they are tried. */
export interface Candidates {
  /** Tried first, in this order. */
  readonly wished: readonly number[]
  /** Whether the kernel may pick one where none of these can be had. */
  readonly anyOther: boolean
  /** Whether this port may be had at all. */
  allows(port: number): boolean
}

/**
 * Reads `port`, `exclude` and `fetchSafe`. A number is a wish: where it is taken, the kernel picks. An iterable is the
 * list to choose from. Throws ERR_SOCKET_BAD_PORT, ERR_INVALID_ARG_TYPE or ERR_INVALID_ARG_VALUE, and
 * ERR_PORTSIDE_NO_PORT where nothing that was asked for is allowed.
 */
export function candidatesOf({ port = 0, exclude = [], fetchSafe = true }: CandidateOptions): Candidates {
  checkBoolean('fetchSafe', fetchSafe)
  const excluded = new Set(portsIn(exclude, 'exclude'))
  const allows = (candidate: number): boolean =>
    !excluded.has(candidate) && !(fetchSafe && FETCH_REFUSES.has(candidate))
  if (port === 0) return { wished: [], anyOther: true, allows }
  const wished = typeof port === 'object' ? [...new Set(portsIn(port, 'port'))] : [validPort(port)]
  if (wished.length === 0) {
    throw portsideError('ERR_INVALID_ARG_VALUE', {
      headline: 'Cannot reserve one of the ports that were given',
      argument: 'port',
      expected: 'a port, or an iterable with at least one',
      actual: 'an empty iterable',
      next: 'name a port, or leave port out so that the kernel picks',
    })
  }
  if (wished.every((candidate) => !allows(candidate))) throw nothingAllowed(wished, fetchSafe)
  return { wished: wished.filter(allows), anyOther: typeof port === 'number', allows }
}

/** The ports of a range that are allowed, once around from a random place: users at the same time start apart. */
export function* sweep({ first, last }: PortRange, { allows }: Candidates): Generator<number> {
  const size = last - first + 1
  const start = Math.floor(Math.random() * size)
  for (let step = 0; step < size; step++) {
    const port = first + ((start + step) % size)
    if (allows(port)) yield port
  }
}

function portsIn(ports: Iterable<number>, name: string): number[] {
  // Consumed once: an iterable may be a generator.
  return readArgument(name, 'an iterable of ports', ports, () =>
    typeof ports === 'object'
      ? Array.from(notEndless(ports, name), (port) => validPort(port ?? null, name))
      : undefined,
  )
}

/** Throws ERR_OUT_OF_RANGE for more numbers than there are ports: a generator may never end. */
export function* notEndless<T>(ports: Iterable<T>, name: string): Generator<T> {
  let count = 0
  for (const port of ports) {
    if (++count > 65_536) throw invalidArgument('ERR_OUT_OF_RANGE', name, 'at most 65536 ports', 'more')
    yield port
  }
}

function nothingAllowed(wished: readonly number[], fetchSafe: boolean): Error {
  const refused = fetchSafe ? wished.filter((port) => FETCH_REFUSES.has(port)) : []
  return portsideError('ERR_PORTSIDE_NO_PORT', {
    headline: `Cannot reserve ${listed(wished)}`,
    expected: 'at least one port that is not excluded',
    actual: 'none',
    because:
      refused.length > 0
        ? `fetch refuses ${listed(refused)} (https://fetch.spec.whatwg.org/#port-blocking), and fetchSafe excludes what it refuses`
        : 'each of them is in exclude',
    next: refused.length > 0 ? 'take another port, or pass fetchSafe: false' : 'take another port, or exclude fewer',
  })
}

/** `port 3000`, `ports 3000, 3001, 3002 and 17 more`. */
export function listed(ports: readonly number[]): string {
  const [shown, more] = [ports.slice(0, 5).join(', '), ports.length - 5]
  return `${ports.length === 1 ? 'port' : 'ports'} ${shown}${more > 0 ? ` and ${more} more` : ''}`
}
