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

export interface SocketPoolOptions {
  /** Default grace of `drain()`, in milliseconds. Default 1000. */
  grace?: number
}

/** Sockets that are known, counted once each, and drained together. */
export interface SocketPool extends AsyncDisposable, Iterable<net.Socket> {
  /** How many sockets are open now. */
  readonly size: number
  /**
   * Takes a socket, every connection that a server accepts from now on, or whatever an agent holds, and returns it.
   * Throws ERR_PORTSIDE_LATE_ATTACH for a server that has connections nobody can name, and ERR_PORTSIDE_DRAINING
   * while the pool drains.
   */
  track<T extends net.Socket | net.Server | http.Agent>(resource: T): T
  /** A connected, tracked client. Rejects with the system's error, or ERR_PORTSIDE_CONNECT_TIMEOUT. */
  connect(to: Endpoint | net.NetConnectOpts, options?: PoolConnectOptions): Promise<net.Socket>
  /** Called at the start of a drain for each socket whose protocol is the user's own, and awaited. */
  onDrain(hook: DrainHook): void
  /**
   * Ends everything in the pool: tracked servers stop listening, requests in flight are finished, the rest is closed,
   * with force at the end of the grace. Calls during a drain share its promise and can only shorten its deadline.
   * Afterwards the pool is empty and can be used again.
   */
  drain(options?: DrainOptions): Promise<DrainReport>
}

const CONNECT_SPEC = {
  of: 'pool.connect()',
  names: namesOf<PoolConnectOptions>()('timeout', 'signal'),
  example: '{ timeout: 1000 }',
}

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

  /** Takes the connections of a server, but not the server: it goes on listening when the pool drains. */
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
    next: 'wait for drain(), or use another pool',
  })
}

function describeTarget(to: Endpoint | net.NetConnectOpts): string {
  if ('address' in to) return formatEndpoint(to)
  return 'path' in to ? to.path : `${to.host ?? 'localhost'}:${to.port}`
}

const notTrackable = (resource: unknown) =>
  invalidArgument('ERR_INVALID_ARG_TYPE', 'resource', 'a net.Socket, a net.Server or an http.Agent', resource)
