import type { ChildProcess } from 'node:child_process'
import type dgram from 'node:dgram'
import diagnostics from 'node:diagnostics_channel'
import type net from 'node:net'
import { provideOpenedAt } from '../explanations/opened-at.js'
import { handleOf, serverOf } from '../platform/node-internals.js'
import { processState } from '../process-state.js'
import { readAhead } from '../read-ahead.js'
import { createSlot } from '../slot.js'
import { observeClients } from '../sockets/client-sockets.js'
import { Dials } from './dials.js'
import { isOfPortside } from './known.js'
import type { LeakIgnore } from './options.js'
import type { Origins } from './origins.js'
import type { Owner } from './owner.js'
import { createOwnerStore } from './owner-store.js'
import { Peers } from './peers.js'
import { whereOpened } from './places.js'
import { Senders } from './senders.js'
import { followCallers, takeTrace } from './trace.js'
import { type Trackable, type TrackedKind, TrackedSocket } from './tracked-socket.js'
import { Workers } from './workers.js'

/** The tracker of this process, whichever copy of portside made it. Tracks from the first call on. */
export function tracker(): Tracker {
  shared ??= processState(STATE, () => new Tracker())
  return shared
}

const STATE = 'leaks.tracker'
let shared: Tracker | undefined

/**
 * Every socket of this process, of whatever library, and who opened it. It reads no file later: its copy of portside may be in a
 * vm context that the test runner has torn down.
 */
export class Tracker implements Origins {
  /** Counts what was opened, accepted or sent: as long as it stands still, nothing can have leaked. */
  activity = 0
  /** The file whose tests run now; undefined where several files share the process without telling when which begins. */
  file: Owner | undefined
  /** Rules of files that were not known when they asked for them, by path. */
  readonly ignoredIn = new Map<string, 'all' | LeakIgnore[]>()
  /** What clients dialled without success. */
  readonly dials: Dials
  readonly workers: Workers
  /** Timers that a file was reported for, of the files that run in this process. */
  readonly reportedAlive = new WeakSet<object>()
  readonly #owners = createOwnerStore()
  readonly #sockets = new Set<TrackedSocket>()
  readonly #records = createSlot<TrackedSocket>()
  readonly #peers = new Peers()
  readonly #senders: Senders
  #sweepAt = 64

  constructor() {
    readAhead({ early: true })
    followCallers()
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
    const hear = <T>(channel: string, listener: (message: T) => void): void =>
      diagnostics.subscribe(channel, (message) => listener(message as T))
    observeClients(this.#heardClient)
    hear('net.server.socket', this.#heardAccepted)
    hear('tracing:net.server.listen:asyncStart', this.#heardListen)
    hear('tracing:net.server.listen:asyncEnd', this.#heardListening)
    hear('udp.socket', this.#heardUdp)
    hear('child_process', this.#heardChild)
  }

  /** Runs a function as an owner's: what is opened in it, and in all that it starts, is that owner's. */
  run<T>(owner: Owner | undefined, action: () => T): T {
    return this.#owners.run(owner, action)
  }

  ownerNow(): Owner | undefined {
    return this.#owners.now()
  }

  ownerOfTimer(timer: NodeJS.Timeout): Owner | undefined {
    return this.#owners.ofTimer(timer)
  }

  /** What is known of a socket of Node; undefined where it was opened before the tracker began. */
  recordOf = (socket: object): TrackedSocket | undefined => this.#records.get(socket)

  /** All that was seen and may be open, what is nobody's included. */
  get all(): Iterable<TrackedSocket> {
    return this.#sockets
  }

  /** What is open now, and with `dialling` what is about to be; oldest first, without what is nobody's. */
  *open({ dialling = false } = {}): Generator<TrackedSocket, void, void> {
    for (const record of this.#sockets) {
      const counts = record.open || (dialling && record.dialling)
      if (counts && !isOfPortside(record)) yield record
    }
  }

  /**
   * Whose it is. A pooled connection is of its last sender, an accepted one of its client, or else of its listener: each of
   * them would not be there without. Undefined where none of them was opened by anybody in particular.
   */
  ownerOf(record: TrackedSocket): Owner | undefined {
    if (record.kind !== 'accepted') {
      const sending = this.#senders.sendingOn(record)
      return sending === undefined ? record.owner : sending.owner
    }
    if (record.peer !== undefined) return this.ownerOf(record.peer)
    return record.listener?.owner
  }

  /** When it was opened or sent on last, as a count of what is done in this process. */
  lastUse(record: TrackedSocket): number {
    const { sequence } = record.peer ?? record
    return Math.max(record.sequence, sequence, this.#senders.sendingOn(record.peer ?? record)?.sequence ?? 0)
  }

  /** Lets no check tell of it again, unless it is used anew. */
  settle(records: readonly TrackedSocket[]): void {
    for (const record of records) record.reportedAt = this.activity
  }

  isSettled(record: TrackedSocket): boolean {
    return record.reportedAt >= this.lastUse(record)
  }

  /** The request for which the socket was last used, where it was opened by a pool. */
  sendingOn(record: TrackedSocket): ReturnType<Senders['sendingOn']> {
    return this.#senders.sendingOn(record)
  }

  /** What ends the request that it is used for. */
  howToEnd(record: TrackedSocket): string | undefined {
    return record.kind === 'client' ? this.#senders.howToEnd(record) : undefined
  }

  /** Whether it is kept by a client pool for the next request, or accepted from one that is. */
  isIdle(record: TrackedSocket): boolean {
    if (record.kind === 'accepted') return record.peer !== undefined && this.isIdle(record.peer)
    const { kind, socket } = record
    return kind === 'client' && socket !== undefined && this.#senders.pools.isIdle(socket as net.Socket)
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

  readonly #heardUdp = ({ socket }: { socket: dgram.Socket }): void => {
    this.#add('udp', socket, this.#heardUdp)
  }

  readonly #heardChild = ({ process }: { process: ChildProcess }): void => {
    this.#add('child', process, this.#heardChild)
  }

  #add(kind: TrackedKind, socket: Trackable, heard?: (message: never) => void): TrackedSocket {
    // Later sockets may take all descriptors, and a report needs this code then.
    if (this.activity === 0) readAhead()
    // Before it is added: a client that is about to connect looks as one that is closed.
    if (this.#sockets.size >= this.#sweepAt) this.#sweep()
    const trace = heard && takeTrace(heard)
    const record = new TrackedSocket(kind, socket, ++this.activity, this.ownerNow(), trace)
    this.#sockets.add(record)
    this.#records.set(socket, record)
    return record
  }

  /** Now and then instead of by a listener on everybody's sockets: memory stays bounded by what is open. */
  #sweep(): void {
    for (const record of this.#sockets) if (record.gone) this.#sockets.delete(record)
    this.#peers.sweep()
    this.#sweepAt = Math.max(64, this.#sockets.size * 2)
  }
}
