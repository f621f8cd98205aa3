import type http from 'node:http'
import net from 'node:net'
import { checkFunction, readArgument } from '../argument.js'
import { calledBy } from '../caller.js'
import { invalidArgument, portsideError } from '../errors.js'
import { type Endpoint, formatEndpoint } from '../loopback/endpoint.js'
import { namesOf, readOptions } from '../options.js'
import { serverOf } from '../platform/node-internals.js'
import { isAgent, isServer, isSocket } from '../platform/node-objects.js'
import { connectionsOf, socketsOf } from './agent.js'
import { checkConnect, connected, type PoolConnectOptions } from './connect.js'
import type { Connection } from './connection.js'
import {
  checkDrainOptions,
  type Drain,
  type DrainHook,
  type DrainOptions,
  readDrainOptions,
  startDrain,
} from './drain.js'
import type { DrainReport } from './drain-report.js'
import { newConnection, registry } from './registry.js'
import { type TrackedServer, trackServer } from './tracked-server.js'

/** The defaults of a pool. */
export interface SocketPoolOptions {
  /**
   * The default grace of `drain()`, in milliseconds.
   *
   * @default 1000
   */
  grace?: number
}

/**
 * Tracks sockets and closes them together.
 *
 * @see `docs/sockets.md#socketpool`
 */
export interface SocketPool extends AsyncDisposable, Iterable<net.Socket> {
  /** How many sockets are open now. */
  readonly size: number
  /**
   * Tracks a socket, every connection that a server accepts from now on, or every socket of an agent. Returns the resource.
   *
   * @throws ERR_PORTSIDE_LATE_ATTACH if the server has connections that portside did not track
   * @throws ERR_PORTSIDE_DRAINING while the pool drains
   * @throws ERR_INVALID_ARG_TYPE if the resource is not a socket, server or agent
   */
  track<T extends net.Socket | net.Server | http.Agent>(resource: T): T
  /**
   * Opens a tracked client that is connected to an endpoint, or with the options of `net.connect()`.
   *
   * @throws ERR_PORTSIDE_CONNECT_TIMEOUT if nothing answers within `timeout`
   * @throws ERR_PORTSIDE_DRAINING while the pool drains
   * @throws ERR_INVALID_ARG_TYPE if `to` is not an endpoint or options
   * @throws ABORT_ERR if `signal` is aborted
   * @throws the system's code, such as ECONNREFUSED, if the connect fails
   */
  connect(to: Endpoint | net.NetConnectOpts, options?: PoolConnectOptions): Promise<net.Socket>
  /**
   * Calls the hook at the start of a drain with each socket whose protocol is your own, and awaits it.
   *
   * @throws ERR_INVALID_ARG_TYPE if the hook is not a function
   * @see `docs/sockets.md#hooks`
   */
  onDrain(hook: DrainHook): void
  /**
   * Closes everything in the pool, and resolves to a report when every socket is closed.
   *
   * Tracked servers stop listening and requests in flight finish. When the grace is over, it uses force. Calls during a drain share
   * its promise; a later call can only bring the deadline nearer. Afterwards the pool is empty, and you can use it again.
   *
   * @throws ERR_PORTSIDE_DRAIN if connections outlived the grace, with `force: 'reject'`
   * @throws ERR_PORTSIDE_DRAIN_HOOK if a hook failed
   * @throws ERR_PORTSIDE_DRAIN_STUCK if a destroyed socket does not close within 5 seconds
   * @see `docs/sockets.md#how-a-drain-goes`
   */
  drain(options?: DrainOptions): Promise<DrainReport>
}

const CONNECT_SPEC = {
  of: 'pool.connect()',
  names: namesOf<PoolConnectOptions>()('timeout', 'signal'),
  example: '{ timeout: 1000 }',
}

/**
 * Makes a pool that tracks sockets, servers and agents, and closes them together. `await using` drains it.
 *
 * @throws ERR_INVALID_ARG_TYPE if `grace` is not a number
 * @throws ERR_OUT_OF_RANGE if `grace` is below 0 or above 2 147 483 647
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```ts
 * import { createSocketPool, listenTcp } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listenTcp()
 * const pool = createSocketPool()
 * await pool.connect(server.endpoint)
 * const { outcomes } = await pool.drain()
 * expect(outcomes).toMatchObject([{ outcome: 'closed' }])
 * ```
 * @see `docs/sockets.md`
 */
export function createSocketPool(options: SocketPoolOptions = {}): SocketPool {
  const read = readOptions(options, { of: 'createSocketPool()', names: ['grace'], example: '{ grace: 100 }' })
  checkDrainOptions(read)
  return new Pool(read)
}

export class Pool implements SocketPool {
  readonly #options: SocketPoolOptions
  readonly #connections = new Set<Connection>()
  readonly #servers = new Set<TrackedServer>()
  readonly #agents = new Set<http.Agent>()
  readonly hooks: DrainHook[] = []
  #draining: Drain | undefined

  constructor(options: SocketPoolOptions = {}) {
    this.#options = options
    registry()
  }

  get size(): number {
    let size = this.#connections.size
    for (const agent of this.#agents) size += socketsOf(agent).length
    return size
  }

  *[Symbol.iterator](): Iterator<net.Socket> {
    for (const connection of this.#connections) yield connection.stream
    for (const agent of this.#agents) yield* socketsOf(agent)
  }

  track<T extends net.Socket | net.Server | http.Agent>(resource: T): T {
    if (this.#draining !== undefined) throw draining('track a socket')
    if (isServer(resource)) {
      const tracked = trackServer(resource)
      this.#servers.add(tracked)
      this.watch(tracked)
    } else if (isAgent(resource)) {
      this.#agents.add(resource)
    } else if (isSocket(resource)) {
      // A destroyed socket has nothing left to drain, and may never emit 'close' again.
      if (!resource.destroyed) {
        this.#admit(registry().connectionOf.get(resource) ?? newConnection(resource, serverOf(resource) != null))
      }
    } else {
      throw notTrackable(resource)
    }
    return resource
  }

  /** Tracks the connections of a server, but not the server: it still listens when the pool drains. */
  watch(tracked: TrackedServer): void {
    for (const connection of tracked.connections) this.#admit(connection)
    tracked.onConnection((connection) => this.#admit(connection))
  }

  connect(to: Endpoint | net.NetConnectOpts, options: PoolConnectOptions = {}): Promise<net.Socket> {
    return calledBy(this.connect, () => this.#dial(to, readOptions(options, CONNECT_SPEC)))
  }

  async #dial(to: Endpoint | net.NetConnectOpts, options: PoolConnectOptions): Promise<net.Socket> {
    if (this.#draining !== undefined) throw draining('connect')
    checkConnect(options)
    const { dialled, target } = readArgument('endpoint', 'an endpoint, or the options of net.connect', to, () => {
      if (typeof to !== 'object') return undefined
      const dial: net.NetConnectOpts = 'address' in to ? { host: to.address, port: to.port } : to
      return { target: describeTarget(to), dialled: net.connect(dial) }
    })
    const socket = this.track(dialled)
    await connected(socket, 'connect', target, options)
    return socket
  }

  onDrain(hook: DrainHook): void {
    checkFunction('hook', hook)
    this.hooks.push(hook)
  }

  drain(options: DrainOptions = {}): Promise<DrainReport> {
    let merged: DrainOptions
    try {
      merged = { ...this.#options, ...readDrainOptions(options, 'pool.drain()') }
    } catch (error) {
      return Promise.reject(error)
    }
    if (this.#draining !== undefined) this.#draining.shorten(merged)
    else this.#draining = this.#start(merged)
    return this.#draining.report
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain().then(() => undefined)
  }

  #admit(connection: Connection): void {
    if (connection.closed || this.#connections.has(connection)) return
    this.#connections.add(connection)
    connection.whenClosed(() => this.#connections.delete(connection))
  }

  #all(): Set<Connection> {
    return new Set([...this.#connections, ...[...this.#agents].flatMap(connectionsOf)])
  }

  #start(options: DrainOptions): Drain {
    const servers = [...this.#servers]
    const drain = startDrain(
      {
        name: 'the pool',
        connections: this.#all(),
        collect: async (accepted, expired) => {
          await Promise.all(servers.map((tracked) => tracked.stopListening(accepted, expired)))
          return this.#all()
        },
        settled: () => Promise.all(servers.map((tracked) => tracked.closed())),
      },
      options,
      this.hooks,
    )
    const ended = drain.report.finally(() => {
      this.#draining = undefined
      this.#servers.clear()
      this.#agents.clear()
    })
    const report = calledBy(this.drain, () => ended)
    return { ...drain, report }
  }
}

function draining(asked: string): Error {
  return portsideError('ERR_PORTSIDE_DRAINING', {
    headline: `Cannot ${asked} in this pool`,
    because: 'the pool is draining',
    next: 'await drain(), or use another pool',
  })
}

function describeTarget(to: Endpoint | net.NetConnectOpts): string {
  if ('address' in to) return formatEndpoint(to)
  return 'path' in to ? to.path : `${to.host ?? 'localhost'}:${to.port}`
}

const notTrackable = (resource: unknown) =>
  invalidArgument('ERR_INVALID_ARG_TYPE', 'resource', 'a net.Socket, a net.Server or an http.Agent', resource)
