import { portsideError } from '../errors.js'
import type { BoundSocket } from '../platform/bound-socket.js'
import { type Addresses, type AddressOptions, addressesFor, validPort } from './address.js'
import { type Endpoint, familyOf, formatEndpoint, WILDCARD } from './endpoint.js'
import { insideOf, isReservation, type PortProtocol, type PortReservation } from './port-reservation.js'

export interface PlaceOptions extends AddressOptions {
  port?: number | PortReservation | undefined
}

/** Where to bind. */
export interface Place {
  readonly addresses: Addresses
  readonly port: number
  /** The reservation that keeps the port. */
  readonly reservation: PortReservation | undefined
}

/**
 * Reads `host`, `family` and `port`. With a reservation the place is all of its addresses, unless `host` or `family` names
 * one of them. Throws as `addressesFor()`, and ERR_SOCKET_BAD_PORT or ERR_INVALID_ARG_VALUE if the port or the reservation
 * does not fit.
 */
export function placeOf(options: PlaceOptions, protocol: PortProtocol): Place | Promise<Place> {
  const { port } = options
  if (isReservation(port)) return reservedPlace(port, options, protocol)
  const valid = validPort(port)
  const where = addressesFor(options)
  if ('then' in where) return where.then((addresses) => ({ addresses, port: valid, reservation: undefined }))
  return { addresses: where, port: valid, reservation: undefined }
}

/** The bound socket of a reservation that a server can adopt at this address. */
export type BoundAt = (address: string) => BoundSocket | undefined

/** Binds at the place. With a reservation, the bind is a hand-over of its port, or it adopts the bound sockets that `bind` gets. */
export function bindAt<T>(place: Place, protocol: PortProtocol, bind: (bound?: BoundAt) => Promise<T>): Promise<T> {
  const { reservation } = place
  if (reservation === undefined) return bind()
  const bound = protocol === 'tcp' ? boundAt(place, reservation) : undefined
  return bound === undefined ? reservation.handOver(() => bind(), protocol) : bind(bound)
}

/** Undefined unless each address to bind has one. */
function boundAt({ addresses: { addresses, bind } }: Place, reservation: PortReservation): BoundAt | undefined {
  const inside = insideOf(reservation)
  const wanted = bind === 'all' ? addresses : addresses.slice(0, 1)
  return wanted.every((address) => inside?.boundSocket(address)) ? inside?.boundSocket : undefined
}

async function reservedPlace(
  reservation: PortReservation,
  options: PlaceOptions,
  protocol: PortProtocol,
): Promise<Place> {
  const { endpoints, port } = reservation
  if (reservation.protocol !== 'both' && reservation.protocol !== protocol) {
    throw unfit(
      `a reservation of a ${protocol.toUpperCase()} port`,
      `a reservation of a ${reservation.protocol.toUpperCase()} port`,
    )
  }
  if (options.host === undefined && options.family === undefined) {
    return { addresses: all(endpoints.map(({ address }) => address)), port, reservation }
  }
  const { addresses, bind } = await addressesFor(options)
  const kept = addresses.filter((address) => endpoints.some((endpoint) => covers(endpoint, address)))
  if (kept.length === 0 || (bind === 'all' && kept.length < addresses.length)) {
    throw unfit(
      `a reservation of a port on ${addresses.join(bind === 'all' ? ' and ' : ' or ')}`,
      `a reservation of ${endpoints.map(formatEndpoint).join(' and ')}`,
    )
  }
  return { addresses: { addresses: kept, bind }, port, reservation }
}

const all = (addresses: readonly string[]): Addresses => ({ addresses, bind: addresses.length > 1 ? 'all' : 'first' })

/** A reservation of 0.0.0.0 covers IPv4; a reservation of `::` covers both families (ipv6(7)). */
function covers({ address, family }: Endpoint, asked: string): boolean {
  if (address === asked || address === WILDCARD.IPv6) return true
  const wildcard = WILDCARD[family]
  return family === familyOf(asked) && (address === wildcard || asked === wildcard)
}

function unfit(expected: string, actual: string): Error {
  return portsideError('ERR_INVALID_ARG_VALUE', {
    headline: 'Cannot listen on the port of a reservation',
    expected,
    actual,
    next: 'reserve the address and protocol that you listen on, or leave host and family out to listen where the port is reserved',
  })
}
