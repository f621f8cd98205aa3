import type dgram from 'node:dgram'
import { checkFunction } from '../argument.js'
import { createUndoList } from '../disposal.js'
import { invalidArgument, portsideError } from '../errors.js'
import { type Endpoint, type Family, familyOf, toEndpoint, WILDCARD } from '../loopback/endpoint.js'
import { INSIDE, type Inside, type PortProtocol, type PortReservation } from '../loopback/port-reservation.js'
import { loopbackFamilies } from '../loopback/probe.js'
import { type BoundSocketClass, boundSocketClass } from '../platform/bound-socket.js'
import { type Anchor, openAnchor } from './anchor.js'
import { type BoundHold, bindPort, freeWithBridge } from './bound-hold.js'
import type { Candidates } from './candidates.js'
import { markExhausted, saysExhausted } from './exhausted.js'
import { closeSocket, holdSocket } from './held-socket.js'
import { lockPort, type PortLock } from './lock.js'
import { type PortSharing, portSharing } from './sharing.js'

/** The ways of this kernel and runtime to hold a TCP port. */
export interface HoldBy {
  readonly sharing: PortSharing
  /** Undefined where the runtime lacks it. */
  readonly BoundSocket: BoundSocketClass | undefined
}

/** Of this process. For another platform, as tests pass it, the platform alone decides, and there is no bound socket. */
export const holdBy = (platform?: NodeJS.Platform): HoldBy => ({
  sharing: portSharing(platform),
  BoundSocket: platform === undefined ? boundSocketClass() : undefined,
})

/** The port to hold, and where. */
export interface Wanted extends HoldBy {
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
  { addresses, protocol, candidates, platform, howToClose, sharing, BoundSocket }: Wanted,
  port: number,
): Promise<PortReservation> {
  const families = protocol === 'udp' ? [] : familiesOf(addresses)
  // Where the platform is known to share, the kernel is asked at the first hand-over.
  const shares = sharing.expected || (await sharing.ask(families))
  const undos = createUndoList()
  const anchors: Anchor[] = []
  const bounds: BoundHold[] = []
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
    const tcp = protocol === 'udp' ? [] : addresses
    const Bound = shares ? undefined : BoundSocket
    for (const address of Bound === undefined ? [] : tcp) {
      const bound = bindPort(Bound as BoundSocketClass, address, chosen, howToClose)
      undos.add(() => bound.close())
      bounds.push({ address, addresses: anchored(address), bound })
      if (chosen === 0) await choose(bound.port)
    }
    for (const address of Bound === undefined ? tcp.flatMap(anchored) : []) {
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
    throw await undos.runAfter(conflicting(error, port, bounds.length + anchors.length + sockets.size))
  }
  return new Reservation(
    addresses.map((address) => toEndpoint(address, chosen)),
    protocol,
    { anchors, bounds, sockets, lock, families, sharing },
  )
}

interface Holdings {
  readonly anchors: readonly Anchor[]
  /** Instead of anchors. */
  readonly bounds: readonly BoundHold[]
  readonly sockets: Map<string, dgram.Socket>
  readonly lock: PortLock | undefined
  /** Of the addresses with a TCP port. */
  readonly families: readonly Family[]
  readonly sharing: PortSharing
}

class Reservation implements PortReservation {
  readonly endpoint: Endpoint
  readonly address: string
  readonly port: number
  readonly family: Family
  readonly endpoints: readonly Endpoint[]
  readonly protocol: PortProtocol | 'both'
  readonly #holdings: Holdings
  #freeing: Promise<unknown> | undefined
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
    const { anchors, bounds, sockets } = this.#holdings
    if (this.protocol === 'udp') return sockets.size > 0
    return anchors.every(({ held }) => held) && bounds.every(({ bound }) => bound.held)
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
    else {
      const shares = this.#listensWhileHeld()
      if (!(typeof shares === 'boolean' ? shares : await shares)) await this.#free()
      // It may have been released meanwhile.
      this.#refuseReleased('hand over')
    }
    return bind()
  }

  get [INSIDE](): Inside {
    return {
      boundSocket: (address) => {
        const { bound } = this.#holdings.bounds.find((hold) => hold.address === address) ?? {}
        return bound?.held ? bound.socket : undefined
      },
      listensWhileHeld: () => this.#listensWhileHeld(),
    }
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

  #listensWhileHeld(): boolean | Promise<boolean> {
    const { bounds, families, sharing } = this.#holdings
    return bounds.length === 0 && sharing.ask(families)
  }

  /** The descriptors are closed when the call returns. */
  async #end(): Promise<void> {
    const { bounds, families, lock, sharing } = this.#holdings
    for (const { bound } of bounds) bound.close()
    const closed = [this.#releaseAnchors(!sharing.known(families)), this.#closeSockets(), lock?.release()]
    await Promise.all([...closed, this.#freeing?.catch(() => {})])
  }

  /** Frees the TCP port for a listener. Concurrent hand-overs share it. */
  #free(): Promise<unknown> {
    const { bounds } = this.#holdings
    this.#freeing ??= Promise.all([this.#releaseAnchors(true), freeWithBridge(bounds)]).finally(() => {
      this.#freeing = undefined
    })
    return this.#freeing
  }

  /** If nothing can listen on the held port, TIME_WAIT keeps the kernel from giving it away until something listens. */
  #releaseAnchors(bridge: boolean): Promise<unknown> {
    return Promise.all(this.#holdings.anchors.map((anchor) => anchor.release(bridge)))
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

const familiesOf = (addresses: readonly string[]): Family[] => [...new Set(addresses.flatMap(anchored).map(familyOf))]

/** Marks the error for which trying another port does not help: the kernel had no port left. */
const conflicting = (error: unknown, port: number, acquired: number): unknown =>
  port === 0 && acquired === 0 && saysExhausted(error) ? markExhausted(error) : error

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
