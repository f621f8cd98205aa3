import type { ChildProcess } from 'node:child_process'
import type dgram from 'node:dgram'
import type net from 'node:net'
import { channelOf, datagramHandle, handleOf, isHandleOpen, type SocketHandle } from '../platform/node-internals.js'
import { isPipeOfService } from './known.js'
import type { Owner } from './owner.js'
import type { Sending } from './sending.js'
import type { Trace } from './trace.js'

export type Trackable = net.Socket | net.Server | dgram.Socket | ChildProcess
export type TrackedKind = 'client' | 'accepted' | 'listener' | 'udp' | 'child'

/**
 * A socket that was seen when it was opened. It is identified by its object, not its handle: a socket may have several handles in turn. The
 * record keeps neither alive: libuv keeps an open handle, and the handle keeps its owner.
 */
export class TrackedSocket {
  /** Of an accepted socket: the client at its other end, if it is in this process. */
  peer: TrackedSocket | undefined
  /** Of an accepted socket: its listener. */
  listener: TrackedSocket | undefined
  /** Of a socket in a client pool: its last request. */
  sending: Sending | undefined
  /** Of a listener: whether it has listened. */
  bound = false
  /** Of a listener: its port. */
  port: number | undefined
  /** When it was reported or ignored, on the counter of activity in this process. If it is used later, that is another leak. */
  reportedAt = 0
  /** Whether its owner's check was over when it was opened. */
  readonly late: boolean
  readonly #socket: WeakRef<Trackable>
  #handle: WeakRef<SocketHandle> | undefined

  constructor(
    readonly kind: TrackedKind,
    socket: Trackable,
    /** On the counter of activity in this process. */
    readonly sequence: number,
    /** The owner that ran when it was opened. */
    readonly owner: Owner | undefined,
    public trace: Trace | undefined,
  ) {
    this.late = owner?.ended === true
    this.#socket = new WeakRef(socket)
  }

  /** Undefined once it is closed and collected. */
  get socket(): Trackable | undefined {
    return this.#socket.deref()
  }

  /** Noted when a client gets its handle or a socket is accepted: the handle may be taken away from its socket while it is open. */
  get handle(): SocketHandle | undefined {
    return this.#handle?.deref()
  }
  set handle(handle: SocketHandle | null | undefined) {
    this.#handle = handle == null ? undefined : new WeakRef(handle)
  }

  /** Whether the kernel now has a socket for it. */
  get open(): boolean {
    const { socket } = this
    if (socket === undefined) return false
    switch (this.kind) {
      case 'listener':
        return (socket as net.Server).listening
      case 'udp':
        return isBound(socket as dgram.Socket)
      case 'child':
        return openPipes(socket as ChildProcess).length > 0
      default:
        return this.#streamOpen(socket as net.Socket)
    }
  }

  /**
   * Whether it is a client without a socket of the kernel: Node connects in the next tick, or when it has looked up the name. A client whose
   * connect() has thrown looks the same forever.
   */
  get dialling(): boolean {
    return this.connecting && !this.open
  }

  /** Whether it is a client without an answer so far. */
  get connecting(): boolean {
    if (this.kind !== 'client') return false
    const { connecting = false, destroyed = true } = (this.socket ?? {}) as Partial<net.Socket>
    return connecting && !destroyed
  }

  /** Whether it can never be open again under this record. */
  get gone(): boolean {
    const { socket } = this
    if (socket === undefined) return true
    if (this.open || this.dialling) return false
    switch (this.kind) {
      case 'listener':
        return this.bound
      case 'udp':
        return datagramHandle(socket as dgram.Socket) == null
      case 'child':
        return (socket as ChildProcess).exitCode !== null || (socket as ChildProcess).signalCode !== null
      default:
        return true
    }
  }

  #streamOpen(socket: net.Socket): boolean {
    const own = handleOf(socket)
    if (isHandleOpen(own, socket.destroyed)) return true
    const { handle } = this
    return handle !== undefined && handle !== own && isHandleOpen(handle, true)
  }
}

/** The handles that keep a socket open. They have its descriptors. */
export function handlesOf({ kind, socket, handle }: TrackedSocket): SocketHandle[] {
  if (socket === undefined) return []
  const own =
    kind === 'udp'
      ? [datagramHandle(socket as dgram.Socket)]
      : kind === 'child'
        ? pipesOf(socket as ChildProcess)
        : [handleOf(socket), handle]
  return [...new Set(own)].filter((each): each is SocketHandle => isHandleOpen(each, false))
}

/** The open pipes to a child process that keep this process alive. */
export function openPipes(child: ChildProcess): SocketHandle[] {
  return pipesOf(child).filter((handle) => isHandleOpen(handle, false) && !isPipeOfService(handle))
}

function pipesOf(child: ChildProcess): SocketHandle[] {
  const streams = [...(child.stdio ?? []), child.stdin].map(handleOf)
  return [...new Set([...streams, channelOf(child)])].filter((handle) => handle != null)
}

function isBound(socket: dgram.Socket): boolean {
  const handle = datagramHandle(socket)
  if (handle === null) return false
  // In Bun and Deno a handle shows no descriptor. Before it is bound, it has no socket of the kernel.
  if ((handle?.fd ?? -1) >= 0) return isHandleOpen(handle, false)
  try {
    socket.address()
    return true
  } catch {
    // EBADF: not bound; ERR_SOCKET_DGRAM_NOT_RUNNING: closed.
    return false
  }
}
