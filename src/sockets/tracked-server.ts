import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type net from 'node:net'
import type tls from 'node:tls'
import { portsideError } from '../errors.js'
import { turn } from '../timers.js'
import { Connection, type ConnectionState, type Protocol, RawProtocol } from './connection.js'
import { Http1Protocol } from './http1.js'
import { Http2Protocol } from './http2.js'
import { registry } from './registry.js'

/** A server whose accepted connections are all known. There is one of these for a server, however many pools track it. */
export interface TrackedServer {
  readonly server: net.Server
  readonly connections: Set<Connection>
  /** Called with each connection that is accepted from now on. */
  onConnection(listener: (connection: Connection) => void): void
  /** Takes the connections of a second listener as its own: the other address of a dual server. */
  alsoListensOn(second: net.Server): void
  /**
   * Takes what already stands in the accept queue, then stops listening: from here on a new connection is refused.
   * Connections stay as they are.
   */
  stopListening(): Promise<void>
  /** Resolves when every listener that `stopListening()` ended has emitted 'close'. */
  closed(): Promise<unknown>
}

/**
 * Tracks a server's connections from the first on. One that already has connections is refused with
 * ERR_PORTSIDE_LATE_ATTACH, because Node does not tell which: a count that begins at zero would be wrong.
 */
export function trackServer(server: net.Server): TrackedServer {
  const { serverOf } = registry()
  const known = serverOf.get(server)
  if (known !== undefined) return known
  const untracked = (server as { _connections?: number })._connections ?? 0
  if (untracked > 0) throw lateAttach(untracked)
  const tracked = observe(server)
  serverOf.set(server, tracked)
  return tracked
}

function observe(server: net.Server): TrackedServer {
  const { accepted, connectionOf } = registry()
  const connections = new Set<Connection>()
  const listeners: Array<(connection: Connection) => void> = []
  const { plain: plainProtocol, secure: secureProtocol } = protocolsOf(server)

  const accept = (socket: net.Socket): Connection => {
    const known = connectionOf.get(socket)
    if (known !== undefined && connections.has(known)) return known
    const connection = new Connection(socket, true, plainProtocol)
    accepted.add(connection)
    connections.add(connection)
    connection.whenClosed(() => {
      accepted.delete(connection)
      connections.delete(connection)
    })
    for (const listener of listeners) listener(connection)
    return connection
  }

  // HTTP/2 tells of a session while it hears of the socket, and a session's own socket is a proxy.
  let arriving: Connection | undefined
  const during = (connection: Connection | undefined, emit: () => boolean): boolean => {
    const before = arriving
    arriving = connection
    try {
      return emit()
    } finally {
      arriving = before
    }
  }

  // Overriding `emit` sees an event without being a listener: Node does other things for a server that has listeners
  // of 'upgrade', 'connect', 'checkContinue' or 'clientError' than for one that has none.
  const emit = server.emit
  server.emit = function (this: net.Server, event: string, ...args: unknown[]): boolean {
    const forward = (): boolean => Reflect.apply(emit, this, [event, ...args])
    switch (event) {
      case 'connection':
        return during(accept(args[0] as net.Socket), forward)
      case 'secureConnection': {
        const socket = args[0] as tls.TLSSocket
        const connection = connectionOf.get((socket as { _parent?: object })._parent ?? socket)
        if (connection === undefined) break
        connection.secured(socket)
        connection.become(secureProtocol(connection))
        return during(connection, forward)
      }
      case 'session':
        if (arriving === undefined) break
        connectionOf.set(args[0] as object, arriving)
        arriving.become(new Http2Protocol(args[0] as ServerHttp2Session))
        break
      case 'stream': {
        const [stream, headers] = args as [ServerHttp2Stream, Record<string, unknown>]
        connectionOf.get(stream.session ?? stream)?.protocol.beginStream?.(stream, headers)
        break
      }
      case 'request':
      case 'checkContinue':
      case 'checkExpectation': {
        const [request, response] = args as [IncomingMessage, ServerResponse]
        connectionOf.get(request.socket)?.protocol.beginExchange?.(request, response)
        break
      }
      case 'upgrade':
      case 'connect': {
        const [request, socket] = args as [IncomingMessage, net.Socket]
        connectionOf.get(socket)?.become(new RawProtocol('upgraded', `${request.method} ${request.url}`))
        break
      }
      case 'clientError':
        connectionOf.get(args[1] as object)?.protocol.fail?.()
        break
    }
    return forward()
  } as typeof emit

  const listening: net.Server[] = [server]
  let stopping: Promise<void> | undefined
  let closed: Promise<unknown> = Promise.resolve()
  return {
    server,
    connections,
    onConnection: (listener) => void listeners.push(listener),
    alsoListensOn(second) {
      listening.push(second)
      second.on('connection', (socket) => server.emit('connection', socket))
    },
    closed: () => closed,
    stopListening() {
      stopping ??= emptyAcceptQueue(listening, connections).then(() => {
        closed = Promise.all(listening.map(closeListener))
        stopping = undefined
      })
      return stopping
    },
  }
}

/** What a server's connections speak, by what only such a server can do: classes differ between realms. */
function protocolsOf(server: net.Server): Record<'plain' | 'secure', (connection: Connection) => Protocol> {
  const http = 'closeIdleConnections' in server || 'updateSettings' in server
  const secure = (connection: Connection) => (http ? new Http1Protocol(connection) : new RawProtocol('raw'))
  const handshaking = 'setSecureContext' in server
  return { secure, plain: handshaking ? (connection) => new HandshakeProtocol(connection) : secure }
}

/** A TLS handshake that the peer has not begun, or that is under way (RFC 8446 §2). */
class HandshakeProtocol implements Protocol {
  readonly hookable = false
  readonly #connection: Connection
  constructor(connection: Connection) {
    this.#connection = connection
  }
  state(): ConnectionState {
    return 'tls-handshake'
  }
  request(): undefined {}
  busy(): boolean {
    return this.#connection.socket.bytesRead > 0
  }
  quiesce(): void {}
}

/**
 * A peer that the kernel has connected, but that Node has not accepted, would be reset when the listener goes. Two
 * turns hold one whole poll for I/O wherever in its loop Node is now; more while they bring peers.
 */
async function emptyAcceptQueue(listening: net.Server[], connections: Set<Connection>): Promise<void> {
  if (!listening.some((server) => server.listening)) return
  for (let turns = 0, before = -1; turns < 2 || (turns < 16 && before !== connections.size); turns++) {
    before = connections.size
    await turn()
  }
}

/**
 * `close()` of an HTTP server also destroys its idle connections, and whoever closes first is left with the
 * TIME_WAIT (RFC 9293 §3.6.1): they are drained instead.
 */
function closeListener(server: net.Server & { closeIdleConnections?: () => void }): Promise<void> {
  if (!server.listening) return Promise.resolve()
  registry().closedServers.add(server)
  const http = server.closeIdleConnections !== undefined
  if (http) Object.defineProperty(server, 'closeIdleConnections', { value: () => {}, configurable: true })
  try {
    return new Promise((resolve) => server.close(() => resolve()))
  } finally {
    if (http) Reflect.deleteProperty(server, 'closeIdleConnections')
  }
}

function lateAttach(count: number): Error {
  return portsideError('ERR_PORTSIDE_LATE_ATTACH', {
    asked: 'track a server',
    expected: 'one that has accepted no connection yet',
    actual: `${count} open ${count === 1 ? 'connection' : 'connections'} that nobody can name any more`,
    because: 'Node does not tell which sockets a server has accepted',
    next: 'track the server before it listens, or let portside listen on it',
  })
}
