import type net from 'node:net'
import type { BoundSocket } from '../platform/bound-socket.js'
import { processState } from '../process-state.js'

/**
 * A bound socket that holds a port of a reservation. To the leak check it is a listener, with the members of `net.Server` that the check
 * reads: no channel of Node reports a bound socket.
 */
export class BoundPort {
  readonly #address: net.AddressInfo

  constructor(readonly socket: BoundSocket) {
    this.#address = socket.address()
  }

  get port(): number {
    return this.#address.port
  }

  /** False once a server has adopted the socket, or it is closed. */
  get held(): boolean {
    return this.#descriptor() !== undefined
  }

  close(): void {
    if (this.held) this.socket.close()
  }

  get listening(): boolean {
    return this.held
  }

  address(): net.AddressInfo | null {
    return this.held ? this.#address : null
  }

  /** Null once it is adopted: the descriptor then belongs to the server. */
  get _handle(): { readonly fd: number } | null {
    const fd = this.#descriptor()
    return fd === undefined ? null : { fd }
  }

  #descriptor(): number | undefined {
    try {
      return this.socket.fd()
    } catch {
      // ERR_SOCKET_HANDLE_ADOPTED.
      return undefined
    }
  }
}

/** Calls the listener with every port that a bound socket of portside holds from now on. Cannot be undone. */
export function observeBoundPorts(listener: (port: BoundPort) => void): void {
  listeners().push(listener)
}

export function tellBoundPort(port: BoundPort): void {
  for (const listener of listeners()) listener(port)
}

const listeners = (): Array<(port: BoundPort) => void> => processState('sockets.bound', () => [])
