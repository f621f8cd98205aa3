import type net from 'node:net'
import { calledBy } from '../caller.js'
import { portsideError } from '../errors.js'
import { dialAddress } from '../loopback/dial-address.js'
import { type Endpoint, formatEndpoint } from '../loopback/endpoint.js'
import { bindAt, placeOf } from '../loopback/place.js'
import { isReservation } from '../loopback/port-reservation.js'
import { integer } from '../numbers.js'
import { readOptions } from '../options.js'
import { wasEverBound } from '../platform/node-internals.js'
import { isPipe, isTlsServer } from '../platform/node-objects.js'
import { refuseAborted } from '../signals.js'
import { connected } from '../sockets/connect.js'
import type { Connection } from '../sockets/connection.js'
import { checkDrainOptions, type Drain, type DrainOptions, startDrain } from '../sockets/drain.js'
import { closedBy } from '../sockets/infrastructure.js'
import { Pool } from '../sockets/pool.js'
import { registry } from '../sockets/registry.js'
import { type TrackedServer, trackServer } from '../sockets/tracked-server.js'
import { bindTo, streamBinder } from './bind.js'
import { dialPlain, dialSecure, schemeOf } from './dial.js'
import { CONNECT_SPEC, checkConnectOptions } from './listen-options.js'
import { graceOf, ListeningServer, type Teardown } from './listening-server.js'
import type { ConnectOptions, ListenOptions, TestServer } from './server.js'

/** The part of a server that depends on its kind. */
export interface Setup extends Teardown {
  /** The function that the user called. A leak report names it as the way to close the socket. */
  readonly opener: string
  /** The authority that clients of `connect()` trust. */
  readonly ca?: string
}

/** Listens on loopback, or at the address in the options. */
export async function listenOnAddress<S extends net.Server>(
  server: S,
  options: ListenOptions,
  setup: Setup,
): Promise<StreamServer<S>> {
  const backlog = prepare(server, options)
  const found = placeOf(options, 'tcp')
  const place = 'then' in found ? await found : found
  const tracked = trackServer(server)
  if (backlog !== undefined) tracked.queue.backlog = backlog
  closedBy(server, closeOf(setup.opener))
  const how = { backlog, signal: options.signal, asked: askedOf(options) }
  const { endpoints, second } = await bindAt(place, 'tcp', (bound) =>
    bindTo(server, place, streamBinder(server, how, bound)),
  )
  if (second !== undefined) tracked.alsoListensOn(closedBy(second, closeOf(setup.opener)))
  return new StreamServer(tracked, server, endpoints, options, setup)
}

/** The call that closes what an opener returned. */
export const closeOf = (opener: string): string => `close() on the result of ${opener}()`

/** Throws for a server that can never listen, before anything is bound. Returns the backlog. */
export function prepare(server: net.Server, options: ListenOptions): number | undefined {
  checkDrainOptions(graceOf(options))
  const { backlog, signal } = options
  if (backlog !== undefined) integer('backlog', backlog, 1)
  refuseAborted(signal, askedOf(options))
  if (server.listening) throw alreadyListening(server)
  if (registry().closedServers.has(server) || wasEverBound(server)) throw alreadyClosed()
  return backlog
}

export class StreamServer<S extends net.Server> extends ListeningServer<S> implements TestServer<S> {
  readonly #tracked: TrackedServer
  readonly #ca: string | undefined
  #connections: Pool | undefined
  #clients: Pool | undefined

  constructor(
    tracked: TrackedServer,
    server: S,
    endpoints: readonly Endpoint[],
    options: { grace?: number; signal?: AbortSignal },
    setup: Setup,
  ) {
    super(server, endpoints, options, setup)
    this.#tracked = tracked
    this.#ca = setup.ca
    tracked.onCloseByOthers(() => this.begin())
  }

  protected get scheme(): string {
    return schemeOf(this.server)
  }

  get ca(): string | undefined {
    return this.#ca
  }

  get connections(): Pool {
    if (this.#connections === undefined) {
      this.#connections = new Pool(this.grace)
      this.#connections.watch(this.#tracked)
    }
    return this.#connections
  }

  connect(options: ConnectOptions = {}): Promise<net.Socket> {
    return calledBy(this.connect, () => this.#dial(readOptions(options, CONNECT_SPEC)))
  }

  async #dial(options: ConnectOptions): Promise<net.Socket> {
    checkConnectOptions(options)
    const endpoint = this.dialled(options.family)
    const target = this.target(endpoint)
    this.#clients ??= new Pool()
    const secure = isTlsServer(this.server)
    const socket = secure ? await dialSecure(this.server, target, options, this.#ca) : dialPlain(target, options)
    this.#clients.track(socket)
    await connected(socket, secure ? 'secureConnect' : 'connect', formatEndpoint(endpoint), options)
    return socket
  }

  protected target(endpoint: Endpoint): net.NetConnectOpts {
    return { host: dialAddress(endpoint), port: endpoint.port }
  }

  async #closeClients(): Promise<void> {
    await this.#tracked.closed()
    await this.#clients?.drain({ grace: 0 })
  }

  protected startDrain(options: DrainOptions): Drain {
    const tracked = this.#tracked
    const source = {
      name: `the server on ${this.where}`,
      connections: tracked.connections,
      collect: (accepted: (connection: Connection) => void, expired: () => boolean) => {
        if (this.#clients !== undefined) endUnread(this.#clients)
        return tracked.stopListening(accepted, expired)
      },
      // Clients closed together with their other ends. At most a client that the server never accepted remains.
      settled: () => (this.#clients === undefined ? tracked.closed() : this.#closeClients()),
    }
    return startDrain(source, options, this.#connections?.hooks)
  }
}

/**
 * A client of a unix server cannot be paired with its accepted end, because such sockets have no tuple. With unread bytes it would
 * not see its server's FIN, and would never send its own.
 */
function endUnread(clients: Pool): void {
  for (const client of clients) {
    if (isPipe(client) && !client.allowHalfOpen && client.readableFlowing === null) client.resume()
  }
}

/** Names the place for messages, as far as the options say it. */
export function askedOf({ host, family, port }: ListenOptions & { path?: string }): string {
  // The options are not checked yet, so their values may have any type.
  const number = isReservation(port) ? port.port : typeof port === 'number' ? port : 0
  const loopback = typeof family === 'string' ? `loopback, ${family}` : 'loopback'
  return `listen on ${typeof host === 'string' ? host : loopback}, port ${number}`
}

function alreadyListening(server: net.Server): Error {
  const address = server.address()
  const where = typeof address === 'object' && address !== null ? formatEndpoint(address) : address
  return portsideError('ERR_SERVER_ALREADY_LISTEN', {
    headline: 'Cannot listen with this server',
    expected: 'a server that does not listen yet',
    actual: `a server that listens on ${where}`,
    next: 'pass the server before it listens, or track it in a pool: createSocketPool().track(server)',
  })
}

function alreadyClosed(): Error {
  return portsideError('ERR_PORTSIDE_SERVER_CLOSED', {
    headline: 'Cannot listen with this server',
    expected: 'a server that was never closed',
    actual: 'a server that was closed',
    next: 'make a new server for each listen',
  })
}
