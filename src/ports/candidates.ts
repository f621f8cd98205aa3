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

/** The ports that a reservation may have, in the order in which they are tried. */
export interface Candidates {
  /** Tried first, in this order. */
  readonly wished: readonly number[]
  /** Whether the kernel may pick a port if all of these are taken. */
  readonly anyOther: boolean
  /** Whether this port is not excluded. */
  allows(port: number): boolean
}

/** Reads `port`, `exclude` and `fetchSafe`. Throws as `reservePort()` for invalid options. */
export function candidatesOf({ port = 0, exclude = [], fetchSafe = true }: CandidateOptions): Candidates {
  checkBoolean('fetchSafe', fetchSafe)
  const excluded = new Set(portsIn(exclude, 'exclude'))
  const allows = (candidate: number): boolean =>
    !excluded.has(candidate) && !(fetchSafe && FETCH_REFUSES.has(candidate))
  if (port === 0) return { wished: [], anyOther: true, allows }
  const wished = typeof port === 'object' ? [...new Set(portsIn(port, 'port'))] : [validPort(port)]
  if (wished.length === 0) {
    throw portsideError('ERR_INVALID_ARG_VALUE', {
      headline: 'Cannot reserve a port of the list',
      argument: 'port',
      expected: 'a port, or an iterable with at least one',
      actual: 'an empty iterable',
      next: 'pass a port, or leave port out to let the kernel pick',
    })
  }
  if (wished.every((candidate) => !allows(candidate))) throw nothingAllowed(wished, fetchSafe)
  return { wished: wished.filter(allows), anyOther: typeof port === 'number', allows }
}

/** The allowed ports of a range, once around from a random place, so that concurrent callers start apart. */
export function* sweep({ first, last }: PortRange, { allows }: Candidates): Generator<number> {
  const size = last - first + 1
  const start = Math.floor(Math.random() * size)
  for (let step = 0; step < size; step++) {
    const port = first + ((start + step) % size)
    if (allows(port)) yield port
  }
}

function portsIn(ports: Iterable<number>, name: string): number[] {
  // Read once: an iterable may be a generator.
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
        ? `fetch blocks ${listed(refused)} (https://fetch.spec.whatwg.org/#port-blocking), and fetchSafe excludes blocked ports`
        : 'each of them is in exclude',
    next:
      refused.length > 0 ? 'take another port, or pass fetchSafe: false' : 'take another port, or exclude fewer ports',
  })
}

/** `port 3000`, `ports 3000, 3001, 3002 and 17 more`. */
export function listed(ports: readonly number[]): string {
  const [shown, more] = [ports.slice(0, 5).join(', '), ports.length - 5]
  return `${ports.length === 1 ? 'port' : 'ports'} ${shown}${more > 0 ? ` and ${more} more` : ''}`
}
