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
import { ephemeralRange } from '../platform/ephemeral-range.js'
import { describeErrno } from '../platform/errno.js'
import { refuseAborted } from '../signals.js'
import type { SocketOwner } from '../socket-table/owners.js'
import { type Candidates, candidatesOf, listed, sweep } from './candidates.js'
import { hold, type Wanted } from './hold-port.js'
import { describeLockHolder, lockHolders } from './lock-holder.js'

export interface ReserveOptions {
  /** Default: the first of `loopbackFamilies()`. `'dual'`: the port is kept on 127.0.0.1 and on ::1. */
  family?: Family | 'dual'
  /** An address of this host, or a name, instead of `family`. Of a name's addresses one for each family is kept. */
  host?: string
  /**
   * A number is a wish: where it is taken, the kernel picks another. An iterable is the list to choose from, in its
   * order. Default 0: the kernel picks.
   */
  port?: number | Iterable<number>
  /** Ports that it must not be. */
  exclude?: Iterable<number>
  /** Default `'tcp'`. `'both'`: one number in both port spaces. */
  protocol?: PortProtocol | 'both'
  /** Default true: no port that `fetch` refuses (https://fetch.spec.whatwg.org/#port-blocking). */
  fetchSafe?: boolean
  /** Aborted before the port is held: rejects with an AbortError, and nothing stays held. */
  signal?: AbortSignal
}

/** Several reservations, released together. */
export interface PortReservations extends ReadonlyArray<PortReservation>, AsyncDisposable {
  readonly ports: readonly number[]
  /** True while all of them are. */
  readonly held: boolean
  release(): Promise<void>
}

/**
 * A port that the kernel keeps for you, on loopback, until you release it or this process ends. On the addresses that are
 * kept and on wildcards, it gives the port to nobody who asks for port 0 and to no outgoing connection, in any process;
 * whoever dials it meanwhile is refused; no other user of portside on this host gets it. On Linux any program that asks
 * for this number and sets SO_REUSEADDR, as Node and most servers do, can listen on it while it is held, so that there is
 * no gap in which to lose it: bind first, release afterwards.
 *
 * It keeps no process alive. On Linux it costs three descriptors, five when dual. Rejects with
 * ERR_SOCKET_BAD_PORT, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_PORTSIDE_FAMILY_UNAVAILABLE,
 * ERR_PORTSIDE_NO_PORT where everything is excluded, EADDRINUSE where nothing of what was asked for is free, and
 * EADDRNOTAVAIL, ENOTFOUND, EACCES, EMFILE, ABORT_ERR. Whatever was acquired by then is given back.
 */
export function reservePort(options: ReserveOptions = {}): Promise<PortReservation> {
  return calledBy(reservePort, () =>
    reserveFor('release() of what reservePort() gave', readReserve(options, 'reservePort()')),
  )
}

/**
 * The same for what holds a port as part of something else, which is told how it is closed. Without `explains` an error has its
 * code and no more: an explanation reads the tables of the kernel.
 */
export async function reserveFor(
  howToClose: string | undefined,
  options: ReserveOptions,
  { explains = true, advice }: { explains?: boolean; advice?: string } = {},
): Promise<PortReservation> {
  return reserve({ ...(await wantOf(options, howToClose)), explains, advice })
}

/** Reads the options of `of`, a function that reserves. */
export function readReserve<Options extends ReserveOptions>(options: Options | undefined, of: string): Options {
  return readOptions(options, { of, names: RESERVE, example: '{ port: [3000, 3001] }', instead: RESERVE_INSTEAD })
}

const RESERVE = namesOf<ReserveOptions>()('family', 'host', 'port', 'exclude', 'protocol', 'fetchSafe', 'signal')
const RESERVE_INSTEAD = {
  prefer: 'pass port: a number is preferred, and another is taken if that one is not free',
  ports: 'pass port: it takes a number or a list',
  timeout: 'leave it out: a reservation does not wait',
}

/** So many ports at once: all of them, or none and an error as that of `reservePort()`. `count` is at least 1. */
export function reservePorts(count: number, options: ReserveOptions = {}): Promise<PortReservations> {
  return calledBy(reservePorts, () => reserveAll(count, readReserve(options, 'reservePorts()')))
}

async function reserveAll(count: number, options: ReserveOptions): Promise<PortReservations> {
  integer('count', count, 1, 65_535)
  const want = await wantOf(options, 'release() of what reservePorts() gave')
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
  // All of them begin within the call.
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

/** What a user wants, read and checked; `wished` goes on where the last reservation of a series ended. */
export interface Want extends Wanted {
  readonly wished: Iterator<number>
  readonly signal: AbortSignal | undefined
  readonly explains?: boolean
  /** What to do if none is free. */
  readonly advice?: string | undefined
}

const PROTOCOLS: ReadonlyArray<ReserveOptions['protocol']> = ['tcp', 'udp', 'both']

/** `platform` is this one's, except in tests of what others do. */
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
  return { addresses: chosen, protocol, candidates, wished: candidates.wished.values(), signal, platform, howToClose }
}

const ASKED = 'reserve a port'

/** Reserves the next port that is wanted and can be had. */
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

/** Picks that may be excluded, locked, or taken on the other address, before portside looks for one by itself. */
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
  // Where this host has none of them, let its kernel say so.
  const usable = present.length > 0 ? present : addresses.slice(0, 1)
  return usable.filter((address, index) => usable.findIndex((other) => familyOf(other) === familyOf(address)) === index)
}

/** A port that somebody else has is passed over; anything else ends the search. */
function passOver(error: unknown, failures: unknown[], { addresses }: Want): undefined {
  const code = codeOf(error)
  if ((code !== 'EADDRINUSE' && code !== 'EACCES') || (error as { exhausted?: boolean }).exhausted) {
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
      next: 'exclude fewer',
    })
  }
  if (explains === false) return failure as Error
  const place = addresses.join(' and ')
  // Only the first is explained: each explanation reads the kernel's table.
  const first = thrown(failure, `reserve ${asked} on ${place}`) as PortsideError & { owners?: readonly SocketOwner[] }
  const code = codeOf(first) ?? 'EADDRINUSE'
  const several = failures.length > 1
  const { locked, port } = failure as { locked?: boolean; port: number }
  const holders = locked ? lockHolders(port, platform) : []
  const error = portsideError(code, {
    headline: several
      ? `Cannot reserve ${asked} on ${place}: none of the ${failures.length} is free, the first fails with ${code}`
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
    expected: `at most ${there}, which is how many ${anyOther ? `the ephemeral range ${first}-${last} has` : `of ${listed(wished.filter(allows))} there are`}`,
    actual: `${count}`,
    next: anyOther
      ? 'reserve fewer, or widen the range (net.ipv4.ip_local_port_range)'
      : 'reserve fewer, or name more ports',
  })
}
