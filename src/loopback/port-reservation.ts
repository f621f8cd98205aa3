import type dgram from 'node:dgram'
import type { BoundSocket } from '../platform/bound-socket.js'
import type { Endpoint } from './endpoint.js'

/** The protocol of a port. TCP and UDP have separate port spaces. */
export type PortProtocol = 'tcp' | 'udp'

/** A reserved port, as `reservePort()` returns it. Disposing releases it. */
export interface PortReservation extends Endpoint, AsyncDisposable {
  /** The first of `endpoints`. `address`, `port` and `family` are its fields. */
  readonly endpoint: Endpoint
  /** Where the port is reserved: two endpoints if dual. */
  readonly endpoints: readonly Endpoint[]
  readonly protocol: PortProtocol | 'both'
  /**
   * True while the kernel keeps the port for this reservation. False after `release()`. A UDP port is held only until the
   * first hand-over. So is a TCP port if the kernel lets nothing listen on a held port, as on Windows. With `'both'` it
   * describes the TCP port.
   */
  readonly held: boolean
  /**
   * Runs `bind`, a function that binds the port or starts a program that does, and resolves to its result.
   *
   * On Linux a TCP port stays held throughout, so you can hand it over again. For UDP, and if the kernel lets nothing
   * listen on a held port, portside frees the port right before it calls `bind`.
   *
   * @throws EADDRINUSE if another socket takes the port when portside frees it
   * @throws ERR_PORTSIDE_RESERVATION_RELEASED after `release()`
   * @throws ERR_INVALID_ARG_VALUE if `protocol` is not reserved
   * @see `docs/ports.md#a-server-of-your-own`
   */
  handOver<T>(bind: () => T | Promise<T>, protocol?: PortProtocol): Promise<T>
  /**
   * Returns the bound datagram socket that keeps a UDP port on this address, once. You close it.
   *
   * @throws ERR_PORTSIDE_RESERVATION_RELEASED after `release()`
   */
  takeSocket(address: string): dgram.Socket | undefined
  /** Releases the port. Resolves when all sockets of the reservation are closed. Later calls share the promise. */
  release(): Promise<void>
}

/** The members of a reservation for portside itself. A copy of another version may lack them. */
export interface Inside {
  /** The bound socket that holds the TCP port on this address, for a server to adopt. Undefined if no bound socket holds it now. */
  boundSocket(address: string): BoundSocket | undefined
  /** Whether a listener can have the TCP port while the reservation holds it. Asks the kernel unless it has answered. */
  listensWhileHeld(): boolean | Promise<boolean>
}

export const INSIDE = Symbol.for('portside.reservation.v1')

export const insideOf = (reservation: PortReservation): Inside | undefined =>
  (reservation as { [INSIDE]?: Inside })[INSIDE]

/** Recognizes a reservation by its members: its class differs between two copies of portside. */
export function isReservation(port: unknown): port is PortReservation {
  try {
    const { handOver, endpoints } = (typeof port === 'object' && port !== null ? port : {}) as Partial<PortReservation>
    return typeof handOver === 'function' && Array.isArray(endpoints)
  } catch {
    // A proxy that throws.
    return false
  }
}
