import type dgram from 'node:dgram'
import type { Endpoint } from './endpoint.js'

export type PortProtocol = 'tcp' | 'udp'

/** A port that is kept for its holder until it is released. Made by `reservePort()`. */
export interface PortReservation extends Endpoint, AsyncDisposable {
  /** The first of the endpoints, as `address`, `port` and `family` say it, too. */
  readonly endpoint: Endpoint
  /** Where it is kept: two when dual. */
  readonly endpoints: readonly Endpoint[]
  readonly protocol: PortProtocol | 'both'
  /**
   * True while the kernel keeps the port for this reservation. False after `release()`, and where the kernel lets nobody
   * listen on a held port (all but Linux) from the first hand-over on.
   */
  readonly held: boolean
  /**
   * Runs `bind`, which binds the port or starts what does. On Linux the port stays held meanwhile and afterwards, so it
   * can be handed over again; elsewhere it is let go right before. A UDP port is let go right before on every system.
   * Rejects with ERR_PORTSIDE_RESERVATION_RELEASED after `release()`, and with whatever `bind` throws.
   */
  handOver<T>(bind: () => T | Promise<T>, protocol?: PortProtocol): Promise<T>
  /** The bound datagram socket that keeps a UDP port on this address, once; from then on it is the caller's. */
  takeSocket(address: string): dgram.Socket | undefined
  /** Lets go of the port. Resolves when no socket of the reservation is left; later calls share the promise. */
  release(): Promise<void>
}

/** Told by what only a reservation can do: classes differ between two copies of portside. */
export function isReservation(port: unknown): port is PortReservation {
  try {
    const { handOver, endpoints } = (typeof port === 'object' && port !== null ? port : {}) as Partial<PortReservation>
    return typeof handOver === 'function' && Array.isArray(endpoints)
  } catch {
    // A proxy that throws.
    return false
  }
}
