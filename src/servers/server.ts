import type dgram from 'node:dgram'
import type net from 'node:net'
import type tls from 'node:tls'
import type { Endpoint, Family } from '../loopback/endpoint.js'
import type { PortReservation } from '../loopback/port-reservation.js'
import type { PoolConnectOptions } from '../sockets/connect.js'
import type { DrainOptions } from '../sockets/drain.js'
import type { DrainReport } from '../sockets/drain-report.js'
import type { SocketPool } from '../sockets/pool.js'

export interface ListenOptions {
  /** Default: the first of `loopbackFamilies()`. `'dual'`: one port on 127.0.0.1 and on ::1. */
  family?: Family | 'dual'
  /** An address of this host, or a name that resolves to one, instead of `family`. A wildcard only when named here. */
  host?: string
  /**
   * Default 0: the kernel picks one that nobody has. With a reservation the server is bound where that keeps the port,
   * and the reservation stays: it can be listened on again, until it is released.
   */
  port?: number | PortReservation
  /** Longest accept queue; Node's default is 511, and the kernel caps it (listen(2)). */
  backlog?: number
  /** Default of `close()`, in milliseconds. Default 1000. */
  grace?: number
  /** Aborted before or while binding: rejects with an AbortError, nothing stays bound. Afterwards: closes the server. */
  signal?: AbortSignal
}

export interface UnixListenOptions extends Pick<ListenOptions, 'backlog' | 'grace' | 'signal'> {
  /** A path of your own, which must not exist. Default: a new one in a private directory, removed by `close()`. */
  path?: string
}

export interface ConnectOptions extends PoolConnectOptions {
  /** Which endpoint of a dual server to dial. Default: the first. */
  family?: Family
  /** Local address and port of the client. */
  localAddress?: string
  localPort?: number
  /** See `net.Socket`. */
  allowHalfOpen?: boolean
  /** More options for `tls.connect`, where the server speaks TLS. */
  tls?: tls.ConnectionOptions
}

/** A server that listens and knows its connections. */
export interface TestServer<S = net.Server, Client = net.Socket> extends AsyncDisposable {
  readonly server: S
  /** Where it listens, as the kernel says. */
  readonly endpoint: Endpoint
  /** Two when dual. */
  readonly endpoints: readonly Endpoint[]
  readonly address: string
  readonly port: number
  readonly family: Family
  /** Where a client reaches it; loopback where the server listens on a wildcard. */
  readonly url: URL
  /** The accepted sockets. Draining this pool ends them and leaves the server listening. */
  readonly connections: SocketPool
  /** A connected client of this server, closed with it. */
  connect(options?: ConnectOptions): Promise<Client>
  /**
   * Takes what is in the accept queue, stops listening, finishes what is in flight and closes every connection, with
   * force at the end of the grace. Resolves when every socket is closed. Later calls share the first one's promise
   * and can only shorten its deadline.
   */
  close(options?: DrainOptions): Promise<DrainReport>
}

/** A server with a certificate of this process. */
export interface SecureTestServer<S = tls.Server> extends TestServer<S, tls.TLSSocket> {
  /** PEM of the authority that signed the certificate, for the `ca` option of clients. */
  readonly ca: string
}

export interface UnixEndpoint {
  /** The path. */
  readonly address: string
  readonly port: 0
  readonly family: 'Unix'
}

export interface UnixTestServer<S = net.Server>
  extends Omit<TestServer<S>, 'endpoint' | 'endpoints' | 'family' | 'port'>,
    UnixEndpoint {
  readonly path: string
  readonly endpoint: UnixEndpoint
  readonly endpoints: readonly UnixEndpoint[]
}

export type UdpTestServer = TestServer<dgram.Socket, dgram.Socket>
