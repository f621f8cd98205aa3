import type net from 'node:net'
import type { Undo } from '../disposal.js'
import { portsideError } from '../errors.js'
import { connectionCount } from '../platform/node-internals.js'
import { patch } from '../platform/patches.js'
import { processState } from '../process-state.js'
import { AcceptQueue } from './accept-queue.js'
import { closeListener, mayListen } from './close-listener.js'
import type { Connection } from './connection.js'
import { type HeardServer, hear } from './heard-server.js'
import { newConnection, registry } from './registry.js'

/**
 * Tracks a server's connections from the first on. There is one TrackedServer for each server, shared by all pools. Throws
 * ERR_PORTSIDE_LATE_ATTACH for a server that already has connections: Node does not say which, so a count from zero would be wrong.
 */
export function trackServer(server: net.Server): TrackedServer {
  const known = trackedServerOf(server)
  if (known !== undefined) return known
  // Clients are paired with the accepted connections, so they are observed before the first can connect.
  registry()
  const untracked = connectionCount(server)
  if (untracked > 0) throw lateAttach(untracked)
  const tracked = new TrackedServer(server)
  servers().set(server, tracked)
  return tracked
}

/** The TrackedServer of a server that any copy of portside tracks already. */
export const trackedServerOf = (server: net.Server): TrackedServer | undefined => servers().get(server)

const servers = (): WeakMap<object, TrackedServer> => processState('sockets.servers', () => new WeakMap())

const CLOSED = Promise.resolve()

/** A server whose accepted connections are all known. */
export class TrackedServer {
  readonly connections = new Set<Connection>()
  /** Connections accepted so far. */
  accepted = 0
  readonly #listening: net.Server[]
  readonly #heard: HeardServer
  readonly #listeners = new Set<(connection: Connection) => void>()
  #stopping: Promise<Iterable<Connection>> | undefined
  readonly queue = new AcceptQueue()
  #closed: Promise<unknown> = CLOSED

  constructor(readonly server: net.Server) {
    this.#listening = [server]
    this.#heard = hear(server)
    const emit = (socket: net.Socket): boolean => server.emit('connection', socket)
    this.#heard.accepting = {
      accept: (socket) => this.#accept(socket),
      hold: (socket) => this.queue.hold(socket, emit),
    }
  }

  /** Calls the listener with each connection that is accepted from now on, until the undo is called. */
  onConnection(listener: (connection: Connection) => void): Undo {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Calls back when other code closes the server, because a framework's close() would wait for idle connections. */
  onCloseByOthers(begin: () => void): void {
    patch(
      this.server,
      'close',
      (close) => (callback) => {
        const { server } = this
        if (!mayListen(server) || registry().closedServers.has(server)) return close.call(server, callback)
        this.#closed = closeListener(server, (closed) => close.call(server.once('close', closed), callback))
        begin()
        return server
      },
      "close() of Node waits for keep-alive connections, up to the server's keepAliveTimeout",
    )
  }

  /** Treats the connections of a second listener as its own: the other address of a dual server. */
  alsoListensOn(second: net.Server): void {
    this.#listening.push(second)
    second.on('connection', (socket) => this.server.emit('connection', socket))
  }

  /**
   * Accepts the connections in the accept queue, calls `accepted` with each, then stops listening. New connections are then
   * refused. Returns all connections unchanged. Clients that keep reconnecting keep the queue from becoming empty, so after
   * `expired()` it accepts at most as many as the queue holds.
   */
  async stopListening(
    accepted: (connection: Connection) => void,
    expired: () => boolean,
  ): Promise<Iterable<Connection>> {
    const undo = this.onConnection(accepted)
    this.queue.waitUntil(expired)
    this.#stopping ??= this.#stop()
    try {
      return await this.#stopping
    } finally {
      undo()
    }
  }

  /** Resolves when Node has released every listener that `stopListening()` closed. */
  closed(): Promise<unknown> {
    return this.#closed
  }

  async #stop(): Promise<Iterable<Connection>> {
    const listening = this.#listening.filter((server) => server.listening)
    if (listening.length > 0) {
      await this.queue.empty(
        listening,
        () => this.accepted,
        () => this.#close(),
      )
    } else {
      await CLOSED
      this.#close()
    }
    return this.connections
  }

  #close(): void {
    if (this.#listening.some(mayListen)) {
      const [first, ...others] = this.#listening
      if (mayListen(first as net.Server)) this.#closed = closeListener(first as net.Server)
      if (others.length > 0) this.#closed = Promise.all([this.#closed, ...others.map((other) => closeListener(other))])
    }
    this.queue.release()
  }

  #accept(socket: net.Socket): Connection {
    const { accepted, connectionOf } = registry()
    const known = connectionOf.get(socket)
    if (known?.closed) return known
    const connection = newConnection(socket, true, this.#heard.protocols.plain)
    this.accepted++
    accepted.add(connection)
    this.connections.add(connection)
    connection.whenClosed(() => {
      accepted.delete(connection)
      this.connections.delete(connection)
    })
    for (const listener of this.#listeners) listener(connection)
    return connection
  }
}

function lateAttach(count: number): Error {
  return portsideError('ERR_PORTSIDE_LATE_ATTACH', {
    headline: 'Cannot track a server',
    expected: 'a server that has not accepted a connection yet',
    actual: `a server with ${count} open ${count === 1 ? 'connection' : 'connections'} that portside did not track`,
    because: 'Node does not say which sockets a server has accepted',
    next: 'track the server before it listens, or let portside listen on it',
  })
}
