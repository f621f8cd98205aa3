import type net from 'node:net'
import { unmapped } from '../loopback/endpoint.js'
import type { SocketHandle } from '../platform/socket-handle.js'
import { nextTick } from '../timers.js'
import type { TrackedSocket } from './tracked-socket.js'

/**
 * Finds the client of an accepted socket. Asked when it is accepted, and the client's ports are noted before: a client may
 * be gone when the other end is accepted, and the kernel has given both their addresses as soon as it dials.
 */
export class Peers {
  /** Clients that had no local port when they were last asked. */
  #unplaced: TrackedSocket[] = []
  /** By their local ends. */
  readonly #placed = new Map<string, Placed>()
  #scheduled = false

  add(client: TrackedSocket): void {
    this.#unplaced.push(client)
    if (this.#scheduled) return
    this.#scheduled = true
    // Node dials an address in the next tick, which is queued after this one.
    nextTick(this.#later)
  }

  clientOf(accepted: net.Socket): TrackedSocket | undefined {
    const { remoteAddress, remotePort, localPort } = accepted
    if (remoteAddress === undefined || remotePort === undefined) return undefined
    this.#placeAll()
    const placed = this.#placed.get(keyOf(remoteAddress, remotePort))
    // A local port may be that of several clients with several peers, and of one that is long gone.
    return placed !== undefined && dialledPort(placed) === localPort ? placed.client : undefined
  }

  /** Forgets those that are closed. */
  sweep(): void {
    this.#unplaced = this.#unplaced.filter(({ gone }) => !gone)
    for (const [key, { client }] of this.#placed) if (client.gone) this.#placed.delete(key)
  }

  readonly #later = (): void => nextTick(this.#now)
  readonly #now = (): void => {
    this.#scheduled = false
    this.#placeAll()
  }

  #placeAll(): void {
    if (this.#unplaced.length > 0) this.#unplaced = this.#unplaced.filter((client) => !this.#place(client))
  }

  #place(client: TrackedSocket): boolean {
    const { _handle: handle, destroyed } = client.socket as net.Socket & { _handle?: SocketHandle | null }
    if (destroyed) return true
    if (handle == null) return false
    // A pipe has no port, and never will.
    if (handle.getsockname === undefined) return true
    // Not by the getters of the socket, which remember that there was nothing yet.
    const name: { address?: string; port?: number } = {}
    if (handle.getsockname(name) !== 0 || !name.port) return false
    client.handle = handle
    const placed: Placed = { client, dialled: undefined }
    dialledPort(placed)
    this.#placed.set(keyOf(name.address ?? '', name.port), placed)
    return true
  }
}

interface Placed {
  readonly client: TrackedSocket
  /** The port at the other end. */
  dialled: number | undefined
}

function dialledPort(placed: Placed): number | undefined {
  if (placed.dialled === undefined) {
    const name: { port?: number } = {}
    if (placed.client.handle?.getpeername?.(name) === 0) placed.dialled = name.port
  }
  return placed.dialled
}

const keyOf = (address: string, port: number): string => `${unmapped(address)}|${port}`
