import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import net from 'node:net'
import type tls from 'node:tls'
import { rawSocketOf } from '../platform/node-internals.js'
import { patch } from '../platform/patches.js'
import { processState } from '../process-state.js'
import { type Connection, RawProtocol } from './connection.js'
import { Http2Protocol } from './http2.js'
import { type Protocols, protocolsOf, raw } from './protocols.js'
import { registry } from './registry.js'

/** Handles a socket that does not belong to a known connection. */
export interface Accepting {
  /** Makes the connection of the socket. */
  accept(socket: net.Socket): Connection
  /** True if the server gets the socket later. */
  hold(socket: net.Socket): boolean
}

/** Follows the connections of a server by its events. There is one for each server. */
export class HeardServer {
  accepting: Accepting | undefined
  readonly protocols: Protocols
  /** The connection that is being emitted. HTTP/2 emits a session during that, and the session's own socket is a proxy. */
  #arriving: Connection | undefined

  constructor(server: net.Server) {
    this.protocols = protocolsOf(server)
    if (this.protocols.secure === raw) hearInjections()
    const hear = this.#hear.bind(this)
    const heard = this
    // Never undone: a closed server can listen again, and its connections are tracked then too.
    patch(
      server,
      'emit',
      (original) => {
        const emit = original as (...all: unknown[]) => boolean
        return function (this: net.Server, ...all: unknown[]): boolean {
          // First, because every connection emits this event.
          if (all[0] === 'connection') {
            const socket = all[1] as net.Socket
            const connection = heard.#introduce(socket)
            if (heard.accepting?.hold(socket)) return true
            heard.#arriving = connection
          } else if (HEARD.has(all[0])) return hear(all as [string, ...unknown[]], () => emit.apply(this, all))
          return emit.apply(this, all)
        } as typeof server.emit
      },
      "a listener of 'upgrade', 'connect', 'checkContinue' or 'clientError' changes what Node does",
    )
  }

  /** A connection that another server accepted and handed over speaks the protocol of this server. */
  #introduce(socket: net.Socket): Connection | undefined {
    const known = acceptedOf(socket)
    const connection = known ?? this.accepting?.accept(socket)
    if (connection === undefined || connection.servers.includes(this)) return connection
    connection.servers = [...connection.servers, this]
    if (known === undefined) return connection
    // The handler has made a TLSSocket itself.
    if (socket !== known.socket && known.secure === undefined) secure(known, socket as tls.TLSSocket)
    known.become(this.protocols.plain(known))
    return known
  }

  #hear([event, ...args]: [string, ...unknown[]], emit: () => boolean): boolean {
    const { connectionOf } = registry()
    const before = this.#arriving
    switch (event) {
      case 'secureConnection': {
        const socket = args[0] as tls.TLSSocket
        const connection = connectionOf.get(rawSocketOf(socket) ?? socket)
        if (connection === undefined) break
        secure(connection, socket)
        connection.become(this.protocols.secure(connection))
        this.#arriving = connection
        break
      }
      case 'session':
        if (this.#arriving === undefined) break
        connectionOf.set(args[0] as object, this.#arriving)
        this.#arriving.become(new Http2Protocol(this.#arriving, args[0] as ServerHttp2Session))
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
        const protocol = connectionOf.get(request.socket)?.protocol
        if (protocol?.over?.()) return discard(request)
        return protocol?.beginExchange?.(request, response, emit) ?? emit()
      }
      case 'upgrade':
      case 'connect': {
        const [request, socket] = args as [IncomingMessage, net.Socket]
        const connection = connectionOf.get(socket)
        if (connection?.protocol.over?.()) return discard(socket)
        hearInjections()
        connection?.become(new RawProtocol('upgraded', `${request.method} ${request.url}`))
        break
      }
      case 'clientError': {
        const protocol = connectionOf.get(args[1] as object)?.protocol
        if (protocol?.over?.()) return true
        protocol?.fail?.()
        break
      }
    }
    try {
      return emit()
    } finally {
      this.#arriving = before
    }
  }
}

/** Follows the events of the server from here on. */
export function hear(server: net.Server): HeardServer {
  const known = heardServers().get(server)
  if (known !== undefined) return known
  const heard = new HeardServer(server)
  heardServers().set(server, heard)
  return heard
}

const heardServers = (): WeakMap<object, HeardServer> => processState('sockets.heard', () => new WeakMap())

/**
 * Follows every server that gets a tracked connection by `server.emit('connection', socket)`. gRPC connection injectors,
 * intercepting proxies, and ports that serve several protocols do that. Cannot be undone.
 */
export function hearInjections(): void {
  processState('sockets.injections', () =>
    patch(
      net.Server.prototype,
      'emit',
      (emit) =>
        function (this: net.Server, ...all: [string, ...unknown[]]): boolean {
          const injected = all[0] === 'connection' && !heardServers().has(this) && acceptedOf(all[1]) !== undefined
          if (!injected) return Reflect.apply(emit, this, all)
          hear(this)
          return this.emit(...all)
        } as typeof emit,
      'no channel reports a connection that is handed over to another server',
    ),
  )
}

/** The connection that a tracked server has accepted, by its raw or its secure socket. */
function acceptedOf(socket: unknown): Connection | undefined {
  const { connectionOf } = registry()
  if (typeof socket !== 'object' || socket === null) return undefined
  const known = connectionOf.get(socket) ?? connectionOf.get(rawSocketOf(socket as tls.TLSSocket) ?? socket)
  return known?.accepted && !known.closed ? known : undefined
}

function secure(connection: Connection, socket: tls.TLSSocket): void {
  connection.secured(socket)
  registry().connectionOf.set(socket, connection)
}

/** Reads up to the peer's FIN without a handler, because this end can no longer answer. */
function discard(stream: IncomingMessage | net.Socket): true {
  stream.resume()
  return true
}

const HEARD: ReadonlySet<unknown> = new Set([
  'secureConnection',
  'session',
  'stream',
  'request',
  'checkContinue',
  'checkExpectation',
  'upgrade',
  'connect',
  'clientError',
])
