import type { ChildProcess } from 'node:child_process'
import type dgram from 'node:dgram'
import type net from 'node:net'
import { observeCalls } from '../caller.js'
import { provideOpenedAt } from '../explanations/opened-at.js'
import { hear } from '../platform/channels.js'
import { handleOf, serverOf } from '../platform/node-internals.js'
import { runtime } from '../platform/runtime.js'
import { processState } from '../process-state.js'
import { readAhead } from '../read-ahead.js'
import { createSlot } from '../slot.js'
import { type BoundPort, observeBoundPorts } from '../sockets/bound-port.js'
import { observeClients } from '../sockets/client-sockets.js'
import { observeServersOfBun } from '../sockets/servers-of-bun.js'
import { type Call, type Context, createContextStore } from './context-store.js'
import { Dials } from './dials.js'
import { isOfPortside } from './known.js'
import { type NativeOrigin, Natives } from './natives.js'
import type { LeakIgnore } from './options.js'
import type { Origins } from './origins.js'
import type { Owner } from './owner.js'
import { Peers } from './peers.js'
import { whereOpened } from './places.js'
import { Senders } from './senders.js'
import { followCallers, followCalls, hasUsersLine, linesOfCall, takeTrace } from './trace.js'
import { type Trackable, type TrackedKind, TrackedSocket } from './tracked-socket.js'
import { Workers } from './workers.js'

/** The tracker of this process, shared by all copies of portside. Tracking begins with the first call. */
export function tracker(): Tracker {
  shared ??= processState(STATE, () => new Tracker())
  return shared
}

const STATE = 'leaks.tracker'
let shared: Tracker | undefined

/**
 * Tracks every socket of this process, in any library, and its owner. It does not load files later: its copy of portside may be in a vm
 * context that the test runner has torn down.
 */
export class Tracker implements Origins {
  /** Counts sockets that were opened, accepted or sent on. While it does not change, nothing can have leaked. */
  activity = 0
  /** The file whose tests run now; undefined if several files share the process and the runner does not say when each begins. */
  file: Owner | undefined
  /** Rules by the path of their file, for files that the runner has not named. */
  readonly ignoredIn = new Map<string, 'all' | LeakIgnore[]>()
  /** Connects without success. */
  readonly dials: Dials
  readonly workers: Workers
  /** Timers that a file of this process was reported for. */
  readonly reportedAlive = new WeakSet<object>()
  /** Reported sockets that must not keep the process alive at its end; undefined if this process has no check after its teardown. */
  left: TrackedSocket[] | undefined
  /** The owner of code that has none, where a runner cannot run a test as its owner. */
  ownerOtherwise: (() => Owner | undefined) | undefined
  /** Sockets of Bun and Deno that no object of Node explains. */
  readonly natives: Natives | undefined
  readonly #contexts = createContextStore()
  readonly #sockets = new Set<TrackedSocket>()
  readonly #records = createSlot<TrackedSocket>()
  readonly #peers = new Peers()
  readonly #senders: Senders
  #sweepAt = 64

  constructor() {
    readAhead({ early: true })
    followCalls(() => this.#contexts.now()?.call?.lines)
    followCallers()
    observeCalls(this.#heardCall)
    provideOpenedAt((local) => whereOpened(this, local))
    this.#senders = new Senders({
      ownerNow: () => this.ownerNow(),
      sent: () => ++this.activity,
      recordOf: this.recordOf,
    })
    this.dials = new Dials({
      ownerNow: () => this.ownerNow(),
      activity: () => this.activity,
      recordOf: this.recordOf,
      isIdle: (record) => this.isIdle(record),
    })
    this.workers = new Workers(() => this.ownerNow())
    observeClients(this.#heardClient)
    observeBoundPorts(this.#heardBound)
    const on = runtime()
    if (on !== 'Node') this.natives = new Natives(on, () => this.ownerNow())
    if (on === 'Bun') {
      hear('http.client.request.created', (this.natives as Natives).heardRequest)
      observeServersOfBun({
        listens: (server) => this.#heardListen({ server }),
        listening: (server) => this.#heardListening({ server }),
        accepted: (socket) => this.#heardAccepted({ socket }),
      })
    } else {
      hear('net.server.socket', this.#heardAccepted)
      hear('tracing:net.server.listen:asyncStart', this.#heardListen)
      hear('tracing:net.server.listen:asyncEnd', this.#heardListening)
    }
    hear('udp.socket', this.#heardUdp)
    hear('child_process', this.#heardChild)
  }

  /** Runs a function as an owner: sockets that it opens, now or later, belong to that owner. */
  run<T>(owner: Owner | undefined, action: () => T): T {
    return this.#contexts.run(contextOf(owner, this.#contexts.now()?.call), action)
  }

  /** The code that calls this, and what it makes later, has this owner. */
  enter(owner: Owner | undefined): void {
    this.#contexts.enter(contextOf(owner, undefined))
  }

  ownerNow(): Owner | undefined {
    return this.#contexts.now()?.owner ?? this.ownerOtherwise?.()
  }

  ownerOfTimer(timer: NodeJS.Timeout): Owner | undefined {
    return this.#contexts.ofTimer(timer)?.owner
  }

  /** The record of a socket of Node; undefined if it was opened before tracking began. */
  recordOf = (socket: object): TrackedSocket | undefined => this.#records.get(socket)

  /** All sockets that were seen and may be open, including those of portside. */
  get all(): Iterable<TrackedSocket> {
    return this.#sockets
  }

  /** Sockets that are open now, and with `dialling` those about to open. Oldest first, without those of portside. */
  *open({ dialling = false } = {}): Generator<TrackedSocket, void, void> {
    for (const record of this.#sockets) {
      const counts = record.open || (dialling && record.dialling)
      if (counts && !isOfPortside(record)) yield record
    }
  }

  /**
   * The owner of a socket. A pooled connection belongs to its last sender, an accepted connection to its client or else its listener.
   * Undefined if no test or file is known to have opened it.
   */
  ownerOf(record: TrackedSocket): Owner | undefined {
    if (record.kind !== 'accepted') {
      const sending = this.#senders.sendingOn(record)
      return sending === undefined ? record.owner : sending.owner
    }
    if (record.peer !== undefined) return this.ownerOf(record.peer)
    const client = this.nativeClientOf(record)
    return client === undefined ? record.listener?.owner : client.owner
  }

  /** When it was last opened or sent on, on the counter `activity`. */
  lastUse(record: TrackedSocket): number {
    const { sequence } = record.peer ?? record
    return Math.max(record.sequence, sequence, this.#senders.sendingOn(record.peer ?? record)?.sequence ?? 0)
  }

  /** No later check reports these, unless they are used again. */
  settle(records: readonly TrackedSocket[]): void {
    for (const record of records) record.reportedAt = this.activity
  }

  isSettled(record: TrackedSocket): boolean {
    return record.reportedAt >= this.lastUse(record)
  }

  /** The last request on a socket that a pool opened. */
  sendingOn(record: TrackedSocket): ReturnType<Senders['sendingOn']> {
    return this.#senders.sendingOn(record)
  }

  /** The call that ends the request on it. */
  howToEnd(record: TrackedSocket): string | undefined {
    return record.kind === 'client' ? this.#senders.howToEnd(record) : undefined
  }

  /** Whether a client pool keeps it for the next request, or keeps its other end. */
  isIdle(record: TrackedSocket): boolean {
    if (record.kind === 'accepted') {
      if (record.peer !== undefined) return this.isIdle(record.peer)
      return this.#nativeHolderOf(record) === 'pool'
    }
    const { kind, socket } = record
    return kind === 'client' && socket !== undefined && this.#senders.pools.isIdle(socket as net.Socket)
  }

  nativeClientOf(record: TrackedSocket): NativeOrigin | undefined {
    const holder = this.#nativeHolderOf(record)
    return holder === 'pool' ? undefined : holder
  }

  #nativeHolderOf({ listener, peer, socket }: TrackedSocket): NativeOrigin | 'pool' | undefined {
    if (this.natives === undefined || peer !== undefined || listener?.port === undefined) return undefined
    const from = (socket as net.Socket | undefined)?.remotePort
    if (from === undefined) return undefined
    const among = Array.from(this.open()).flatMap((other) =>
      other.listener === listener && other.peer === undefined ? ((other.socket as net.Socket).remotePort ?? []) : [],
    )
    return this.natives.holderOf({ from, to: listener.port, among })
  }

  /** V8 loses the line of a caller that has not awaited the call when portside opens a socket for it. */
  readonly #heardCall = async <T>(entry: (...args: never[]) => unknown, action: () => Promise<T>): Promise<T> => {
    const outer = this.#contexts.now()
    const lines = linesOfCall(entry)
    if (outer?.call?.lines !== undefined && !hasUsersLine(lines)) return action()
    const call: Call = { lines }
    try {
      return await this.#contexts.run({ owner: outer?.owner, call }, action)
    } finally {
      call.lines = undefined
    }
  }

  readonly #heardClient = (socket: net.Socket): void => {
    const record = this.#add('client', socket, this.#heardClient)
    this.#peers.add(record)
    this.dials.begin(record.owner)
    if (this.dials.isStopped(record.owner)) socket.unref()
  }

  readonly #heardAccepted = ({ socket }: { socket: net.Socket }): void => {
    const record = this.#add('accepted', socket)
    const server = serverOf(socket)
    const listener = this.#records.get(server)
    record.listener = listener
    record.handle = handleOf(socket)
    record.peer = this.#peers.clientOf(socket, listener?.port)
  }

  readonly #heardListen = ({ server }: { server: net.Server }): void => {
    this.#add('listener', server, this.#heardListen)
  }

  readonly #heardListening = ({ server }: { server: net.Server }): void => {
    const record = this.#records.get(server)
    if (record === undefined) return
    record.bound = true
    const address = server.address()
    record.port = typeof address === 'object' ? address?.port : undefined
  }

  readonly #heardBound = (port: BoundPort): void => {
    const record = this.#add('listener', port as unknown as net.Server, this.#heardBound)
    record.bound = true
    record.port = port.port
  }

  readonly #heardUdp = ({ socket }: { socket: dgram.Socket }): void => {
    this.#add('udp', socket, this.#heardUdp)
  }

  readonly #heardChild = ({ process }: { process: ChildProcess }): void => {
    this.#add('child', process, this.#heardChild)
  }

  #add(kind: TrackedKind, socket: Trackable, heard?: (message: never) => void): TrackedSocket {
    // Later sockets may take all descriptors, and then a report needs this code.
    if (this.activity === 0) readAhead()
    // Before it is added: a client that is about to connect looks like a closed client.
    if (this.#sockets.size >= this.#sweepAt) this.#sweep()
    const trace = heard && takeTrace(heard)
    const record = new TrackedSocket(kind, socket, ++this.activity, this.ownerNow(), trace)
    this.#sockets.add(record)
    this.#records.set(socket, record)
    return record
  }

  /** Bounds the memory by the number of open sockets, without a listener on each of them. */
  #sweep(): void {
    for (const record of this.#sockets) if (record.gone) this.#sockets.delete(record)
    this.#peers.sweep()
    this.#sweepAt = Math.max(64, this.#sockets.size * 2)
  }
}

const contextOf = (owner: Owner | undefined, call: Call | undefined): Context | undefined =>
  owner === undefined && call?.lines === undefined ? undefined : { owner, call }
