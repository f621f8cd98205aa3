import type http from 'node:http'
import net from 'node:net'
import { abortError, checkOptions, codeOf, invalidArgument, portsideError } from '../errors.js'
import { type Endpoint, formatEndpoint } from '../loopback/endpoint.js'
import { describeErrno } from '../platform/errno.js'
import { clearTimeout, setTimeout } from '../timers.js'
import { connectionsOf, socketsOf } from './agent.js'
import { Connection } from './connection.js'
import type { DrainReport } from './departing.js'
import { type Drain, type DrainHook, type DrainOptions, readDrainOptions, startDrain } from './drain.js'
import { registry } from './registry.js'
import { type TrackedServer, trackServer } from './tracked-server.js'

export interface SocketPoolOptions {
  /** Default grace of `drain()`, in milliseconds. Default 1000. */
  grace?: number
}

export interface PoolConnectOptions {
  /** Milliseconds until an unanswered connect is given up. Default 10 000. */
  timeout?: number
  signal?: AbortSignal
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

export function createSocketPool(options: SocketPoolOptions = {}): SocketPool {
  readDrainOptions(options)
  return new Pool(options)
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
    if (typeof resource !== 'object' || resource === null) throw notTrackable(resource)
    if (isServer(resource)) {
      const tracked = trackServer(resource)
      this.#servers.add(tracked)
      this.watch(tracked)
    } else if (isAgent(resource)) {
      this.#agents.add(resource)
    } else if (isSocket(resource)) {
      // A destroyed socket has nothing left to drain, and may never emit 'close' again.
      if (!resource.destroyed) this.#admit(registry().connectionOf.get(resource) ?? connectionFor(resource))
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

  async connect(to: Endpoint | net.NetConnectOpts, options: PoolConnectOptions = {}): Promise<net.Socket> {
    if (this.#draining !== undefined) throw draining('connect')
    checkOptions(options)
    if (typeof to !== 'object' || to === null) {
      throw invalidArgument('ERR_INVALID_ARG_TYPE', 'endpoint', 'an endpoint, or the options of net.connect', to)
    }
    const dial: net.NetConnectOpts = 'address' in to ? { host: to.address, port: to.port } : to
    const socket = this.track(net.connect(dial))
    await connected(socket, 'connect', describeTarget(to), options)
    return socket
  }

  onDrain(hook: DrainHook): void {
    if (typeof hook !== 'function') throw invalidArgument('ERR_INVALID_ARG_TYPE', 'hook', 'a function', hook)
    this.hooks.push(hook)
  }

  drain(options: DrainOptions = {}): Promise<DrainReport> {
    const merged = { ...this.#options, ...options }
    try {
      readDrainOptions(merged)
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
        collect: async () => {
          await Promise.all(servers.map((tracked) => tracked.stopListening()))
          return this.#all()
        },
        settled: () => Promise.all(servers.map((tracked) => tracked.closed())),
      },
      options,
      this.hooks,
    )
    const report = drain.report.finally(() => {
      this.#draining = undefined
      this.#servers.clear()
      this.#agents.clear()
    })
    return { ...drain, report }
  }
}

/** Resolves when the socket is connected (or secured); destroys it and rejects when that fails or takes too long. */
export async function connected(
  socket: net.Socket,
  event: 'connect' | 'secureConnect',
  target: string,
  { timeout = DEFAULT_TIMEOUT, signal }: PoolConnectOptions,
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  let abort: (() => void) | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      const asked = `connect to ${target}`
      abort = () => reject(abortError(signal as AbortSignal, asked))
      if (signal?.aborted) abort()
      signal?.addEventListener('abort', abort, { once: true })
      timer = setTimeout(() => reject(unanswered(asked, timeout)), timeout)
      socket.once(event, resolve).once('error', reject)
    })
  } catch (error) {
    socket.destroy()
    throw explainConnect(error, target)
  } finally {
    clearTimeout(timer)
    if (abort !== undefined) signal?.removeEventListener('abort', abort)
  }
}

const DEFAULT_TIMEOUT = 10_000

/** Says what was dialled and what to do; the system's code, and its own error as the cause, stay. */
function explainConnect(cause: unknown, target: string): unknown {
  const code = codeOf(cause)
  if (code === undefined || (cause as { asked?: unknown }).asked !== undefined) return cause
  const sentence = describeErrno(code) ?? (cause as Error).message
  return portsideError(code, {
    headline: `Cannot connect to ${target}`,
    actual: `${code} (${sentence})`,
    ...CONNECT_ADVICE[code],
    cause,
  })
}

const UNTRUSTED = {
  because: 'the client does not trust who signed the certificate of the server',
  next: "pass the authority: connect({ tls: { ca } }), for portside's own servers their .ca",
}
const CONNECT_ADVICE: Record<string, { because: string; next: string }> = {
  ECONNREFUSED: { because: 'nobody listens there', next: 'see whether the listener is up, and on this family' },
  ECONNRESET: {
    because: 'the other end reset the connection',
    next: 'see what the listener does with new connections',
  },
  EADDRNOTAVAIL: {
    because: 'this host lacks the local address, or has no ephemeral port left',
    next: 'leave localAddress out, or close sockets',
  },
  EADDRINUSE: { because: 'the local port is taken', next: 'leave localPort out' },
  ENOENT: { because: 'there is no socket at this path', next: 'see whether the listener is up' },
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
}

function unanswered(asked: string, timeout: number): Error {
  return portsideError('ERR_PORTSIDE_CONNECT_TIMEOUT', {
    headline: `Cannot ${asked}`,
    expected: `an answer within ${timeout} ms`,
    actual: 'neither a connection nor an error',
    because: 'the accept queue of the listener is full, or nothing on the way answers',
    next: 'see whether the listener still accepts, or give a longer timeout',
  })
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

/** Node gives an accepted socket its server. */
const connectionFor = (socket: net.Socket): Connection =>
  new Connection(socket, (socket as { server?: net.Server | null }).server != null)

const notTrackable = (resource: unknown) =>
  invalidArgument('ERR_INVALID_ARG_TYPE', 'resource', 'a net.Socket, a net.Server or an http.Agent', resource)
const isServer = (resource: object): resource is net.Server => 'getConnections' in resource && 'listen' in resource
const isAgent = (resource: object): resource is http.Agent => 'freeSockets' in resource && 'sockets' in resource
const isSocket = (resource: object): resource is net.Socket => 'setNoDelay' in resource && 'connecting' in resource
