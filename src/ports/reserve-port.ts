import { calledBy } from '../caller.js'
import { createUndoList } from '../disposal.js'
import { codeOf, invalidArgument, type PortsideError, portsideError } from '../errors.js'
import { list } from '../explanations/describe.js'
import { thrown } from '../explanations/thrown.js'
import { addressesFor } from '../loopback/address.js'
import { type Family, familyOf } from '../loopback/endpoint.js'
import type { PortProtocol, PortReservation } from '../loopback/port-reservation.js'
import { loopbackFamilies } from '../loopback/probe.js'
import { integer } from '../numbers.js'
import { namesOf, readOptions } from '../options.js'
import { ephemeralRange, rangeSetting } from '../platform/ephemeral-range.js'
import { describeErrno } from '../platform/errno.js'
import { refuseAborted } from '../signals.js'
import type { SocketOwner } from '../socket-table/owners.js'
import { type Candidates, candidatesOf, listed, sweep } from './candidates.js'
import { isExhausted } from './exhausted.js'
import { hold, holdBy, type Wanted } from './hold-port.js'
import { describeLockHolder, lockHolders } from './lock-holder.js'

/** The options of `reservePort()` and `reservePorts()`. */
export interface ReserveOptions {
  /**
   * The family of the loopback address. `'dual'` reserves the port on 127.0.0.1 and on ::1.
   * @default the first of `loopbackFamilies()`
   */
  family?: Family | 'dual'
  /**
   * An address of this host, or a name, instead of `family`. If a name has several addresses, one of each family is used.
   */
  host?: string
  /**
   * A number is a preference: if it is taken, the kernel picks another. An iterable is a list to choose from, in order: the
   * call reserves one of these ports or fails. 0: the kernel picks.
   * @default 0
   */
  port?: number | Iterable<number>
  /** Ports that must not be reserved. */
  exclude?: Iterable<number>
  /**
   * The transport. `'both'` reserves the same number for TCP and UDP.
   * @default 'tcp'
   */
  protocol?: PortProtocol | 'both'
  /**
   * Excludes the ports that `fetch` blocks (https://fetch.spec.whatwg.org/#port-blocking).
   * @default true
   */
  fetchSafe?: boolean
  /** If it aborts before the port is reserved, the call rejects with `ABORT_ERR` and nothing stays reserved. */
  signal?: AbortSignal
}

/** Several reservations, released together. */
export interface PortReservations extends ReadonlyArray<PortReservation>, AsyncDisposable {
  readonly ports: readonly number[]
  /** True while the kernel keeps all of the ports. */
  readonly held: boolean
  /** Releases all of them. Later calls share the promise. */
  release(): Promise<void>
}

/**
 * Reserves a port on loopback that no other process gets until you release it or this process ends.
 *
 * The kernel does not give the port to a bind to port 0, on the reserved addresses or a wildcard, nor to an outgoing
 * connection. No other portside reservation on this host gets it. Connections to it are refused until something listens.
 *
 * On Linux a program that sets SO_REUSEADDR, as Node and most servers do, can listen on the port while it is reserved.
 * So listen first and release afterwards: there is no gap in which to lose the port.
 *
 * A reservation does not keep the process alive. On Linux it costs three descriptors, five if dual. A call that fails
 * gives back everything that it had acquired.
 *
 * @throws ERR_SOCKET_BAD_PORT if a port is not an integer from 0 to 65535
 * @throws ERR_INVALID_ARG_TYPE if an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if an option has an invalid value
 * @throws ERR_OUT_OF_RANGE if a list has more than 65536 ports
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @throws ERR_PORTSIDE_FAMILY_UNAVAILABLE if this host lacks the family
 * @throws ERR_PORTSIDE_NO_PORT if all ports that you asked for are excluded
 * @throws EADDRINUSE if every port that you asked for is taken; `errors` has the reason for each
 * @throws EADDRNOTAVAIL if `host` is not an address of this host
 * @throws ENOTFOUND if `host` does not resolve
 * @throws EACCES if the ports are privileged
 * @throws EMFILE if no descriptor is left
 * @throws ABORT_ERR if `signal` aborts
 * @example
 * ```ts
 * import { listenHttp, reservePort } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using reservation = await reservePort()
 * await using server = await listenHttp(undefined, { port: reservation })
 * expect(server.port).toBe(reservation.port)
 * ```
 * @see `docs/ports.md#reserveport`
 */
export function reservePort(options: ReserveOptions = {}): Promise<PortReservation> {
  return calledBy(reservePort, () =>
    reserveFor('release() on the result of reservePort()', readReserve(options, 'reservePort()')),
  )
}

/**
 * Reserves a port for another part of portside. A leak report shows `howToClose`. Without `explains` an error has only its
 * code, because an explanation reads the tables of the kernel.
 */
export async function reserveFor(
  howToClose: string | undefined,
  options: ReserveOptions,
  { explains = true, advice }: { explains?: boolean; advice?: string } = {},
): Promise<PortReservation> {
  return reserve({ ...(await wantOf(options, howToClose)), explains, advice })
}

/** Reads the options of the function `of`. */
export function readReserve<Options extends ReserveOptions>(options: Options | undefined, of: string): Options {
  return readOptions(options, { of, names: RESERVE, example: '{ port: [3000, 3001] }', instead: RESERVE_INSTEAD })
}

const RESERVE = namesOf<ReserveOptions>()('family', 'host', 'port', 'exclude', 'protocol', 'fetchSafe', 'signal')
const RESERVE_INSTEAD = {
  prefer: 'pass port: a number is preferred, and another is taken if that one is not free',
  ports: 'pass port: it takes a number or a list',
  timeout: 'leave it out: a reservation does not wait',
}

/**
 * Reserves several ports at once: all of them, or it rejects as `reservePort()` does and reserves none.
 *
 * `count` is from 1 to 65535. Disposing the result releases all of them.
 *
 * @throws ERR_OUT_OF_RANGE if `count` is out of range
 * @throws ERR_PORTSIDE_NO_PORT if there are fewer ports than `count`
 * @example
 * ```ts
 * import { reservePorts } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using reserved = await reservePorts(3)
 * expect(new Set(reserved.ports).size).toBe(3)
 * ```
 * @see `docs/ports.md#reserveports`
 */
export function reservePorts(count: number, options: ReserveOptions = {}): Promise<PortReservations> {
  return calledBy(reservePorts, () => reserveAll(count, readReserve(options, 'reservePorts()')))
}

async function reserveAll(count: number, options: ReserveOptions): Promise<PortReservations> {
  integer('count', count, 1, 65_535)
  const want = await wantOf(options, 'release() on the result of reservePorts()')
  refuseMoreThanThereAre(count, want.candidates)
  const undos = createUndoList()
  const reservations: PortReservation[] = []
  try {
    while (reservations.length < count) {
      const reservation = await reserve(want)
      undos.add(() => reservation.release())
      reservations.push(reservation)
    }
  } catch (error) {
    throw await undos.runAfter(error)
  }
  let released: Promise<void> | undefined
  // All releases begin synchronously.
  const release = (): Promise<void> => {
    released ??= Promise.all(reservations.map((reservation) => reservation.release())).then(() => {})
    return released
  }
  return Object.defineProperties(reservations, {
    ports: { value: reservations.map(({ port }) => port) },
    held: { get: () => reservations.every(({ held }) => held) },
    release: { value: release },
    [Symbol.asyncDispose]: { value: release },
  }) as unknown as PortReservations
}

/** The checked options of a user. `wished` continues where the last reservation of a series ended. */
export interface Want extends Wanted {
  readonly wished: Iterator<number>
  readonly signal: AbortSignal | undefined
  readonly explains?: boolean
  /** The `fix` of the error if no port is free. */
  readonly advice?: string | undefined
}

const PROTOCOLS: ReadonlyArray<ReserveOptions['protocol']> = ['tcp', 'udp', 'both']

/** `platform` defaults to this one. Tests pass others. */
export async function wantOf(
  options: ReserveOptions,
  howToClose: string | undefined,
  platform?: NodeJS.Platform,
): Promise<Want> {
  const { protocol = 'tcp', signal } = options
  if (!PROTOCOLS.includes(protocol)) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'protocol', "'tcp', 'udp' or 'both'", protocol)
  }
  const candidates = candidatesOf(options)
  refuseAborted(signal, ASKED)
  const { addresses, bind } = await addressesFor(options, 'reserve a port on')
  const chosen = bind === 'all' ? addresses : onePerFamily(addresses)
  const wanted = { addresses: chosen, protocol, candidates, platform, howToClose, ...holdBy(platform) }
  return { ...wanted, wished: candidates.wished.values(), signal }
}

const ASKED = 'reserve a port'

/** Reserves the next wanted port that is free. */
export async function reserve(want: Want): Promise<PortReservation> {
  const reservation = await next(want)
  if (want.signal?.aborted) await reservation.release()
  refuseAborted(want.signal, ASKED)
  return reservation
}

async function next(want: Want): Promise<PortReservation> {
  const { wished, candidates, signal } = want
  const failures: unknown[] = []
  for (let next = wished.next(); !next.done; next = wished.next()) {
    refuseAborted(signal, ASKED)
    const held = await hold(want, next.value).catch((error) => passOver(error, failures, want))
    if (held !== undefined) return held
  }
  if (!candidates.anyOther) throw noneFree(want, failures)
  return pick(want)
}

/** How many picks of the kernel may be excluded, locked, or taken on the other address, before portside searches itself. */
const PICKS = 32

async function pick(want: Want): Promise<PortReservation> {
  for (let picks = 0; picks < PICKS; picks++) {
    refuseAborted(want.signal, ASKED)
    const held = await hold(want, 0).catch((error) => passOver(error, [], want))
    if (held !== undefined) return held
  }
  const failures: unknown[] = []
  for (const port of sweep(ephemeralRange(want.platform), want.candidates)) {
    refuseAborted(want.signal, ASKED)
    const held = await hold(want, port).catch((error) => passOver(error, failures, want))
    if (held !== undefined) return held
  }
  throw noneFree(want, failures)
}

function onePerFamily(addresses: readonly string[]): string[] {
  const found = loopbackFamilies()
  const present = addresses.filter((address) => found.includes(familyOf(address)))
  // If this host has none of them, its kernel gives the error.
  const usable = present.length > 0 ? present : addresses.slice(0, 1)
  return usable.filter((address, index) => usable.findIndex((other) => familyOf(other) === familyOf(address)) === index)
}

/** Passes over a port that is taken. Any other error ends the search. */
function passOver(error: unknown, failures: unknown[], { addresses }: Want): undefined {
  const code = codeOf(error)
  if ((code !== 'EADDRINUSE' && code !== 'EACCES') || isExhausted(error)) {
    throw thrown(error, `reserve a port on ${addresses.join(' and ')}`)
  }
  failures.push(error)
}

function noneFree({ candidates, addresses, platform, explains, advice }: Want, failures: readonly unknown[]): Error {
  const asked = candidates.wished.length > 0 ? listed(candidates.wished) : 'a port of the ephemeral range'
  const [failure] = failures
  if (failure === undefined) {
    return portsideError('ERR_PORTSIDE_NO_PORT', {
      headline: `Cannot reserve ${asked} on ${addresses.join(' and ')}`,
      expected: 'at least one port that is not excluded',
      actual: 'none',
      next: 'exclude fewer ports',
    })
  }
  if (explains === false) return failure as Error
  const place = addresses.join(' and ')
  // Only the first failure is explained: each explanation reads the kernel's table.
  const first = thrown(failure, `reserve ${asked} on ${place}`) as PortsideError & { owners?: readonly SocketOwner[] }
  const code = codeOf(first) ?? 'EADDRINUSE'
  const several = failures.length > 1
  const { locked, port } = failure as { locked?: boolean; port: number }
  const holders = locked ? lockHolders(port, platform) : []
  const error = portsideError(code, {
    headline: several
      ? `Cannot reserve ${asked} on ${place}: none of the ${failures.length} ports is free; the first fails with ${code}`
      : `Cannot reserve ${asked} on ${place}: ${code} (${describeErrno(code) ?? first.message})`,
    because: first.because,
    owner: (first.owner ?? list(holders.map((holder) => describeLockHolder(holder, port)))) || undefined,
    openedAt: first.openedAt,
    next: several
      ? 'name more ports, or leave port out; .errors has each failure'
      : (advice ?? 'name more ports, or leave port out'),
    cause: failure,
  })
  return Object.assign(error, { errors: failures, owners: first.owners ?? holders })
}

function refuseMoreThanThereAre(count: number, { wished, anyOther, allows }: Candidates): void {
  const { first, last } = ephemeralRange()
  const there = anyOther
    ? wished.filter((port) => port < first || port > last).length + last - first + 1
    : wished.length
  if (count <= there) return
  throw portsideError('ERR_PORTSIDE_NO_PORT', {
    headline: `Cannot reserve ${count} ports`,
    expected: `at most ${there}: ${anyOther ? `the ephemeral range is ${first}-${last}` : `the list allows ${listed(wished.filter(allows))}`}`,
    actual: `${count}`,
    next: anyOther ? `reserve fewer, or widen the range (${rangeSetting()})` : 'reserve fewer, or name more ports',
  })
}
