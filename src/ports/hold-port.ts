import type dgram from 'node:dgram'
import { checkFunction } from '../argument.js'
import { createUndoList } from '../disposal.js'
import { codeOf, invalidArgument, portsideError } from '../errors.js'
import { type Endpoint, type Family, toEndpoint, WILDCARD } from '../loopback/endpoint.js'
import type { PortProtocol, PortReservation } from '../loopback/port-reservation.js'
import { loopbackFamilies } from '../loopback/probe.js'
import { listensWhileHeld } from '../platform/port-hold.js'
import { type Anchor, openAnchor } from './anchor.js'
import type { Candidates } from './candidates.js'
import { closeSocket, holdSocket } from './held-socket.js'
import { lockPort, type PortLock } from './lock.js'

/** The port to hold, and where. */
export interface Wanted {
  readonly addresses: readonly string[]
  readonly protocol: PortProtocol | 'both'
  readonly candidates: Candidates
  readonly platform: NodeJS.Platform | undefined
  /** The call that releases it, for a leak report. */
  readonly howToClose: string | undefined
}

/**
 * Holds this port on all of the addresses; 0: a port that the kernel picks. Rejects with EADDRINUSE if the port is taken.
 * The error has `exhausted` if the kernel had no port left.
 */
export async function hold(
  { addresses, protocol, candidates, platform, howToClose }: Wanted,
  port: number,
): Promise<PortReservation> {
  const undos = createUndoList()
  const anchors: Anchor[] = []
  const sockets = new Map<string, dgram.Socket>()
  let lock: PortLock | undefined
  let chosen = port
  const choose = async (picked: number): Promise<void> => {
    if (chosen === 0 && !candidates.allows(picked)) throw taken(picked, 'it is excluded')
    chosen = picked
    if (protocol === 'udp' || lock !== undefined) return
    lock = await lockPort(picked, platform)
    if (lock === undefined) {
      const held = taken(picked, 'a portside reservation holds it, in this or another process')
      throw Object.assign(held, { locked: true })
    }
    undos.add(lock.release)
  }
  try {
    if (port !== 0) await choose(port)
    for (const address of protocol === 'udp' ? [] : addresses.flatMap(anchored)) {
      const anchor = await openAnchor(address, chosen, howToClose)
      undos.add(() => anchor.release())
      anchors.push(anchor)
      if (chosen === 0) await choose(anchor.port)
    }
    for (const address of protocol === 'tcp' ? [] : addresses) {
      const socket = await holdSocket(address, chosen, howToClose)
      undos.add(() => closeSocket(socket))
      sockets.set(address, socket)
      if (chosen === 0) await choose(socket.address().port)
    }
  } catch (error) {
    throw await undos.runAfter(conflicting(error, port, anchors.length + sockets.size))
  }
  return new Reservation(
    addresses.map((address) => toEndpoint(address, chosen)),
    protocol,
    { anchors, sockets, lock, whileHeld: listensWhileHeld(platform) },
  )
}

interface Holdings {
  readonly anchors: readonly Anchor[]
  readonly sockets: Map<string, dgram.Socket>
  readonly lock: PortLock | undefined
  /** Whether a listener can be bound while the anchors hold. */
  readonly whileHeld: boolean
}

class Reservation implements PortReservation {
  readonly endpoint: Endpoint
  readonly address: string
  readonly port: number
  readonly family: Family
  readonly endpoints: readonly Endpoint[]
  readonly protocol: PortProtocol | 'both'
  readonly #holdings: Holdings
  #released: Promise<void> | undefined

  constructor(endpoints: readonly Endpoint[], protocol: PortProtocol | 'both', holdings: Holdings) {
    this.endpoint = endpoints[0] as Endpoint
    this.address = this.endpoint.address
    this.port = this.endpoint.port
    this.family = this.endpoint.family
    this.endpoints = endpoints
    this.protocol = protocol
    this.#holdings = holdings
  }

  get held(): boolean {
    const { anchors, sockets } = this.#holdings
    return this.protocol === 'udp' ? sockets.size > 0 : anchors.every(({ held }) => held)
  }

  async handOver<T>(
    bind: () => T | Promise<T>,
    protocol: PortProtocol = this.protocol === 'udp' ? 'udp' : 'tcp',
  ): Promise<T> {
    checkFunction('bind', bind)
    this.#refuseReleased('hand over')
    const kept: readonly unknown[] = this.protocol === 'both' ? ['tcp', 'udp'] : [this.protocol]
    if (!kept.includes(protocol)) {
      throw invalidArgument('ERR_INVALID_ARG_VALUE', 'protocol', `'${kept.join("' or '")}', as reserved`, protocol)
    }
    // No turn of the event loop in between: another process must not get the port.
    if (protocol === 'udp') void this.#closeSockets()
    else if (!this.#holdings.whileHeld) await this.#releaseAnchors()
    return bind()
  }

  takeSocket(address: string): dgram.Socket | undefined {
    if (typeof address !== 'string') throw invalidArgument('ERR_INVALID_ARG_TYPE', 'address', 'a string', address)
    this.#refuseReleased('take the socket of')
    const { sockets } = this.#holdings
    const socket = sockets.get(address)
    sockets.delete(address)
    return socket?.ref()
  }

  release(): Promise<void> {
    this.#released ??= this.#end()
    return this.#released
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }

  /** The descriptors are closed when the call returns. */
  async #end(): Promise<void> {
    await Promise.all([this.#releaseAnchors(), this.#closeSockets(), this.#holdings.lock?.release()])
  }

  #releaseAnchors(): Promise<unknown> {
    const { anchors, whileHeld } = this.#holdings
    // If nothing could listen on the held port, TIME_WAIT keeps the kernel from giving it away until something listens.
    return Promise.all(anchors.map((anchor) => anchor.release(!whileHeld)))
  }

  #closeSockets(): Promise<unknown> {
    const { sockets } = this.#holdings
    const open = [...sockets.values()]
    sockets.clear()
    return Promise.all(open.map(closeSocket))
  }

  #refuseReleased(asked: string): void {
    if (this.#released === undefined) return
    throw portsideError('ERR_PORTSIDE_RESERVATION_RELEASED', {
      headline: `Cannot ${asked} the reservation of port ${this.port}`,
      because: 'it is released, and another process may have the port',
      next: 'release it after its last use, or reserve another port',
    })
  }
}

/** The addresses to anchor for an address: a listener on `::` also takes the IPv4 port if it can. */
function anchored(address: string): string[] {
  return address === WILDCARD.IPv6 && loopbackFamilies().includes('IPv4') ? [address, WILDCARD.IPv4] : [address]
}

/** Marks an EADDRINUSE for which trying another port does not help: the kernel had no port left. */
function conflicting(error: unknown, port: number, acquired: number): unknown {
  const exhausted = port === 0 && acquired === 0 && codeOf(error) === 'EADDRINUSE'
  return exhausted ? Object.assign(error as object, { exhausted }) : error
}

function taken(port: number, because: string): Error {
  return Object.assign(
    portsideError(
      'EADDRINUSE',
      { headline: `Cannot reserve port ${port}: ${because}`, because, next: 'take another port' },
      {},
    ),
    { port },
  )
}
