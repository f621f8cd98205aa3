import { createHook } from 'node:async_hooks'
import net from 'node:net'
import type { Endpoint } from '../loopback/endpoint.js'
import { periodOf } from '../platform/active-resources.js'
import { hasReadEnd, isHandshaking, isTimerOver } from '../platform/node-internals.js'
import { patch } from '../platform/patches.js'
import { isInfrastructure } from '../sockets/infrastructure.js'
import { connectionTuple } from '../sockets/tuple.js'
import { now } from '../timers.js'
import type { Owner } from './owner.js'
import { type Trace, takeTrace } from './trace.js'
import type { TrackedSocket } from './tracked-socket.js'

/** Connects of one owner to one endpoint. The last of them failed or was cut. */
export interface FailedDial {
  readonly owner: Owner | undefined
  /** Undefined while unknown: the kernel has already forgotten the other end of a connection that was cut. */
  endpoint: Endpoint | string | undefined
  /** Where the first of them began. */
  readonly trace: Trace
  /** How many failed or were cut. */
  count: number
  /** How many of these began after the check of their owner was over. */
  late: number
  /** The last answer: `ECONNREFUSED`. */
  answer: string
  /** When the last one began, on the counter of activity in this process. */
  sequence: number
  /** When the last answer came, on the clock of `now()`. */
  at: number
  /** Milliseconds between the last two answers. */
  gap: number | undefined
}

/** A timer of an owner that has opened a client. */
export interface LaterTimer {
  readonly owner: Owner | undefined
  /** When it was set, on the counter of activity in this process and on the clock of `now()`. */
  readonly sequence: number
  readonly at: number
  readonly trace: Trace
  readonly timer: WeakRef<NodeJS.Timeout>
}

interface Tracking {
  readonly ownerNow: () => Owner | undefined
  /** The counter of activity in this process. */
  readonly activity: () => number
  readonly recordOf: (socket: object) => TrackedSocket | undefined
  readonly isIdle: (record: TrackedSocket) => boolean
}

/** Failed connects, and the timers of their owners. A client between two attempts has no socket, only a timer. */
export class Dials {
  readonly #tracking: Tracking
  readonly #failed = new Map<Owner | undefined, Map<string, FailedDial>>()
  readonly #stopped = new WeakSet<Owner>()
  readonly #settled = new WeakSet<Owner>()
  /** Owners that have opened a client, and the last of them: a lookup in a weak set costs too much for each socket. */
  readonly #dialled = new WeakSet<object>()
  #latest: object | undefined
  #hasStopped = false
  /** It changes neither Node's timers nor the globals of a test. On from the first connect. */
  readonly #hook: ReturnType<typeof createHook>
  #isOn = false
  #isWatched = false
  #timers: LaterTimer[] = []
  #sweepAt = 64

  constructor(tracking: Tracking) {
    this.#tracking = tracking
    const init = (_id: number, type: string, _trigger: number, resource: object): void => {
      if (type === 'Timeout') this.#noteTimer(resource as NodeJS.Timeout, init)
    }
    // With this option, which older Nodes ignore, promises do not run the hook.
    this.#hook = createHook({ init, trackPromises: false } as Parameters<typeof createHook>[0])
    const note = (socket: net.Socket, error: unknown): void => this.#noteEnd(socket, error)
    type Destroy = (this: net.Socket, error: Error | null, callback: (error?: Error | null) => void) => void
    // Never undone: the state of this process keeps listening.
    patch(
      net.Socket.prototype as unknown as { _destroy: Destroy },
      '_destroy',
      (destroy) =>
        function (error, callback) {
          note(this, error)
          return Reflect.apply(destroy, this, [error, callback])
        },
      'Node reports a failed connect to its client only',
    )
  }

  /** Connects of which the last failed or was cut, and whose owner was not reported for it. */
  *failed(): Generator<FailedDial, void, void> {
    for (const [owner, dials] of this.#failed) {
      if (owner === undefined || !this.#settled.has(owner)) yield* dials.values()
    }
  }

  /** No later check reports this owner. */
  settle(owner: Owner): void {
    this.#settled.add(owner)
  }

  /** From here on, connects that belong to no test are noted too. */
  watch(): void {
    this.#isWatched = true
  }

  /** Notes that a connect begins. */
  begin(owner: Owner | undefined): void {
    if (owner === undefined && !this.#isWatched) return
    const dialler = owner ?? NOBODY
    if (dialler === this.#latest) return
    this.#latest = dialler
    this.#dialled.add(dialler)
    if (this.#isOn) return
    this.#isOn = true
    this.#hook.enable()
  }

  /** The owner's timers that are alive. */
  timersOf(owner: Owner | undefined): Array<LaterTimer & { readonly resource: NodeJS.Timeout }> {
    return this.#timers.flatMap((later) => {
      const resource = later.owner === owner ? later.timer.deref() : undefined
      return resource === undefined || isTimerOver(resource) ? [] : [{ ...later, resource }]
    })
  }

  /** From here on, no timer and no client of this owner keeps the process alive. */
  stop(owner: Owner): void {
    this.#stopped.add(owner)
    this.#hasStopped = true
    this.begin(owner)
    for (const later of this.#timers) if (later.owner === owner) later.timer.deref()?.unref()
  }

  isStopped(owner: Owner | undefined): boolean {
    return this.#hasStopped && owner !== undefined && this.#stopped.has(owner)
  }

  /** Forgets the connects of a file and its tests. */
  forget(): void {
    for (const owner of this.#failed.keys()) if (owner !== undefined) this.#failed.delete(owner)
    this.#timers = this.#timers.filter(({ owner }) => this.#failed.has(owner))
  }

  #noteEnd(socket: net.Socket, error: unknown): void {
    const record = this.#tracking.recordOf(socket)
    // A wait of portside connects again without the test.
    if (record === undefined || record.kind !== 'client' || isInfrastructure(socket)) return
    const answer = answerOf(socket, error)
    // A server may close an idle connection of a client pool: the pool connects again only when it needs a connection.
    if (answer === undefined || this.#tracking.isIdle(record)) this.#noteGood(socket, record)
    else this.#noteBad(socket, error, answer, record)
  }

  /** The client has closed the connection, so it does not retry. */
  #noteGood(socket: net.Socket, { owner }: TrackedSocket): void {
    const dials = this.#failed.get(owner)
    if (dials === undefined) return
    dials.delete(keyOf(endpointOf(socket, undefined)))
  }

  #noteBad(socket: net.Socket, error: unknown, answer: string, record: TrackedSocket): void {
    const { owner, late, sequence, trace = [] } = record
    const endpoint = endpointOf(socket, error)
    if (this.#failed.size >= MOST_OWNERS) this.#failed.delete(this.#failed.keys().next().value)
    const dials = this.#failed.get(owner) ?? new Map<string, FailedDial>()
    this.#failed.set(owner, dials)
    const known = dials.get(keyOf(endpoint)) ?? samePlace(dials.values(), trace, endpoint)
    if (known === undefined && dials.size >= MOST_ENDPOINTS) return
    const dial = known ?? { owner, endpoint, trace, count: 0, late: 0, answer, sequence, at: 0, gap: undefined }
    dials.delete(keyOf(dial.endpoint))
    dial.endpoint ??= endpoint
    dial.count++
    if (late) dial.late++
    const at = now()
    const gap = known === undefined ? undefined : at - known.at
    dials.set(keyOf(dial.endpoint), Object.assign(dial, { answer, sequence, at, gap }))
  }

  #noteTimer(resource: NodeJS.Timeout, above: (...args: never[]) => unknown): void {
    const owner = this.#tracking.ownerNow()
    // Node unrefs the timers of its sockets when it makes them.
    if (!resource.hasRef()) return
    if (this.isStopped(owner)) resource.unref()
    if (!this.#dialled.has(owner ?? NOBODY) || (owner?.kind === 'file' && periodOf(resource).after >= LIMIT)) return
    if (this.#timers.length >= this.#sweepAt) this.#sweep()
    this.#timers.push({
      owner,
      sequence: this.#tracking.activity(),
      at: now(),
      trace: takeTrace(above),
      timer: new WeakRef(resource),
    })
  }

  #sweep(): void {
    this.#timers = this.#timers.filter(({ timer }) => {
      const resource = timer.deref()
      return resource !== undefined && !isTimerOver(resource)
    })
    this.#sweepAt = Math.max(64, this.#timers.length * 2)
  }
}

/** Stands for code that runs without an owner. */
const NOBODY = {}

/** Milliseconds. A timer as long as this, outside of a test, limits the time of a hook: there is one for each test. */
const LIMIT = 60_000

/** Bounds the memory of a suite that scans ports, or that runs without a check. */
const MOST_OWNERS = 1000
const MOST_ENDPOINTS = 64

/** The answer of the kernel or the other end; undefined if the client itself closed the connection. */
function answerOf(socket: net.Socket, error: unknown): string | undefined {
  const { code, syscall, reason } = (error ?? {}) as { code?: unknown; syscall?: unknown; reason?: unknown }
  // An error of a system call, of several attempts, or of TLS: https://nodejs.org/api/errors.html#class-systemerror
  const isAnswer =
    syscall !== undefined || Array.isArray((error as { errors?: unknown } | null)?.errors) || reason !== undefined
  if (isAnswer || (isHandshaking(socket) && error != null)) return typeof code === 'string' ? code : 'none'
  if (isHandshaking(socket)) return 'none'
  return hasReadEnd(socket) ? 'closed by the other end' : undefined
}

function endpointOf(socket: net.Socket, error: unknown): Endpoint | string | undefined {
  const { remote } = connectionTuple(socket)
  if (remote !== undefined) return remote
  // If several addresses failed, the first: https://nodejs.org/api/net.html#socketconnectoptions-connectlistener
  const first = ((error as { errors?: unknown[] } | null)?.errors?.[0] ?? error ?? {}) as Record<string, unknown>
  const { address, port, hostname } = first
  if (typeof address === 'string' && typeof port === 'number') {
    return { address, port, family: address.includes(':') ? 'IPv6' : 'IPv4' }
  }
  return typeof address === 'string' ? address : typeof hostname === 'string' ? hostname : undefined
}

/** For a connection that was cut, the kernel no longer knows the other end. Connects of one line of code count as the same. */
function samePlace(
  dials: Iterable<FailedDial>,
  trace: Trace,
  endpoint: Endpoint | string | undefined,
): FailedDial | undefined {
  const place = placeOf(trace)
  for (const dial of dials) {
    if (placeOf(dial.trace) === place && (dial.endpoint === undefined || endpoint === undefined)) return dial
  }
  return undefined
}

/** Without the name of the function: a timer calls the same function by another name. */
const placeOf = ([line = '']: Trace): string | undefined => /[^ (]+:\d+:\d+/.exec(line)?.[0]

const keyOf = (endpoint: Endpoint | string | undefined): string =>
  typeof endpoint === 'object' ? `${endpoint.address} ${endpoint.port}` : `${endpoint}`
