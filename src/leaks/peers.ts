import type net from 'node:net'
import { unmapped } from '../loopback/endpoint.js'
import { handleOf, type SocketHandle } from '../platform/node-internals.js'
import { runtime } from '../platform/runtime.js'
import { nextTick, now } from '../timers.js'
import type { TrackedSocket } from './tracked-socket.js'

/**
 * Finds the client of an accepted socket when it is accepted. The addresses of clients are noted earlier, when they connect, because a
 * client may be closed when the other end is accepted.
 */
export class Peers {
  /** Clients that had no local port at the last look. */
  #unplaced: TrackedSocket[] = []
  /** Clients by their local ports. */
  readonly #placed = new Map<number, Placed>()
  #scheduled = false

  add(client: TrackedSocket): void {
    this.#unplaced.push(client)
    if (this.#scheduled) return
    this.#scheduled = true
    // Node connects to an address in the next tick, which comes after this one.
    nextTick(this.#later)
  }

  /** `listenerPort`, if known, saves a system call. */
  clientOf(accepted: net.Socket, listenerPort: number | undefined): TrackedSocket | undefined {
    const remote = endOf(handleOf(accepted), 'getpeername') ?? (ON_BUN ? remoteOf(accepted) : undefined)
    if (remote === undefined) return undefined
    const { address, port } = remote
    if (this.#unplaced.length > 0) this.#placeAll()
    const dialled = listenerPort ?? accepted.localPort
    for (let placed = this.#placed.get(port); placed !== undefined; placed = placed.before) {
      if (placed.address === address && mayHaveDialled(placed, dialled)) return placed.client
    }
    return undefined
  }

  /** Forgets clients that are closed. */
  sweep(): void {
    this.#unplaced = this.#unplaced.filter(({ gone }) => !gone)
    for (const [port, placed] of this.#placed) {
      const left = withoutGone(placed)
      if (left === undefined) this.#placed.delete(port)
      else if (left !== placed) this.#placed.set(port, left)
    }
  }

  readonly #later = (): void => nextTick(this.#now)
  readonly #now = (): void => {
    this.#scheduled = false
    this.#placeAll()
  }

  #placeAll(): void {
    const waiting = this.#unplaced
    this.#unplaced = []
    for (const client of waiting) if (!this.#place(client)) this.#unplaced.push(client)
  }

  #place(client: TrackedSocket): boolean {
    const socket = client.socket as net.Socket | undefined
    if (socket === undefined || socket.destroyed) return true
    const handle = handleOf(socket)
    if (handle == null) return false
    // A pipe never has a port.
    if (handle.getsockname === undefined && (!ON_BUN || (handle.fd ?? -1) >= 0) && handle.localPort === undefined)
      return true
    // The getters of the socket would cache that there was no address yet.
    const local = endOf(handle, 'getsockname')
    if (local === undefined) return false
    const { address, port } = local
    client.handle = handle
    this.#placed.set(port, { client, address, at: now(), before: this.#placed.get(port) })
    return true
  }
}

interface Placed {
  readonly client: TrackedSocket
  /** The local address. */
  readonly address: string
  /** When it had begun to connect. */
  readonly at: number
  /** An earlier client with the same local port. */
  before: Placed | undefined
}

function withoutGone(placed: Placed | undefined): Placed | undefined {
  if (placed === undefined) return undefined
  placed.before = withoutGone(placed.before)
  return placed.client.gone ? placed.before : placed
}

/**
 * Several clients with different peers may share a local port: the kernel tells them apart. The port of a closed client may also belong to
 * another process now, but not at once.
 */
function mayHaveDialled({ client, at }: Placed, port: number | undefined): boolean {
  const peer = endOf(client.handle, 'getpeername')
  return peer === undefined ? client.gone && now() - at < SOON : peer.port === port
}

/** Milliseconds in which a listener accepts a connection, unless its process is stuck. */
const SOON = 1000

/** One end of a connection; undefined if the kernel has none. */
function endOf(
  handle: SocketHandle | null | undefined,
  which: 'getsockname' | 'getpeername',
): { readonly address: string; readonly port: number } | undefined {
  if (ON_BUN) return handle == null ? undefined : endOfBun(handle, which)
  // The object is shared: each answer is read before the next call.
  END.port = 0
  if (handle?.[which]?.(END) !== 0 || END.port === 0) return undefined
  return { address: unmapped(END.address), port: END.port }
}

const END = { address: '', port: 0 }

const ON_BUN = runtime() === 'Bun'

function endOfBun(
  { localAddress, localPort, remoteAddress, remotePort }: SocketHandle,
  which: 'getsockname' | 'getpeername',
): { readonly address: string; readonly port: number } | undefined {
  const [address, port] = which === 'getsockname' ? [localAddress, localPort] : [remoteAddress, remotePort]
  return address === undefined || !port ? undefined : { address: unmapped(address), port }
}

/** A connection of an http.Server of Bun has a handle without addresses. */
const remoteOf = ({ remoteAddress, remotePort }: net.Socket) =>
  remoteAddress === undefined || !remotePort ? undefined : { address: unmapped(remoteAddress), port: remotePort }
