import type dgram from 'node:dgram'
import type net from 'node:net'
import type tls from 'node:tls'
import type { Endpoint, Family } from '../loopback/endpoint.js'
import type { PortReservation } from '../loopback/port-reservation.js'
import type { PoolConnectOptions } from '../sockets/connect.js'
import type { DrainOptions } from '../sockets/drain.js'
import type { DrainReport } from '../sockets/drain-report.js'
import type { SocketPool } from '../sockets/pool.js'

/**
 * Where a server listens, and when it closes.
 *
 * @see `docs/servers.md#options`
 */
export interface ListenOptions {
  /**
   * The loopback address: 127.0.0.1, ::1, or with `'dual'` both of them at one port.
   *
   * @default the first of `loopbackFamilies()`
   */
  family?: Family | 'dual'
  /**
   * An address of this host, or a name that resolves to one, instead of `family`. The server binds a wildcard address only if
   * you name it here.
   */
  host?: string
  /**
   * A port number; with 0 the kernel picks a free port. With a reservation, the server binds the reserved port; the reservation
   * stays, and you can listen on it again until you release it.
   *
   * @default 0
   */
  port?: number | PortReservation
  /**
   * The longest accept queue. The kernel caps it (listen(2), somaxconn).
   *
   * @default 511
   */
  backlog?: number
  /**
   * The default grace of `close()`, in milliseconds.
   *
   * @default 1000
   */
  grace?: number
  /**
   * Cancels or closes: aborted before the server is bound, it makes the call reject with ABORT_ERR and nothing stays bound. Aborted
   * later, it closes the server.
   */
  signal?: AbortSignal
}

/**
 * Where a server on a unix socket listens, and when it closes.
 *
 * @see `docs/servers.md#unix-sockets`
 */
export interface UnixListenOptions extends Pick<ListenOptions, 'backlog' | 'grace' | 'signal'> {
  /**
   * A path that does not exist. `close()` removes the socket.
   *
   * @default a path in a new private directory, which `close()` removes too
   */
  path?: string
}

/**
 * How a client connects to a server.
 *
 * @see `docs/servers.md#connect`
 */
export interface ConnectOptions extends PoolConnectOptions {
  /**
   * The endpoint of a dual server that the client connects to.
   *
   * @default the family of `endpoint`
   */
  family?: Family
  /** The local address of the client. */
  localAddress?: string
  /** The local port of the client. */
  localPort?: number
  /**
   * True keeps the client writable after the server has ended its half, as in `net.Socket`.
   *
   * @default false
   */
  allowHalfOpen?: boolean
  /** More options for `tls.connect()`. A server without TLS ignores them. */
  tls?: tls.ConnectionOptions
}

/**
 * A server that listens, knows its connections, and closes all of them.
 *
 * @see `docs/servers.md#testserver`
 */
export interface TestServer<S = net.Server, Client = net.Socket> extends AsyncDisposable {
  /** The Node server itself. */
  readonly server: S
  /** The address, port and family where it listens, as the kernel reports them. */
  readonly endpoint: Endpoint
  /** All its endpoints: two if it is dual. */
  readonly endpoints: readonly Endpoint[]
  /** The address of `endpoint`. */
  readonly address: string
  /** The port of `endpoint`. */
  readonly port: number
  /** The family of `endpoint`. */
  readonly family: Family
  /** The URL where a client reaches it. If the server listens on a wildcard address, the URL has loopback. */
  readonly url: URL
  /** The accepted sockets. Draining this pool closes them; the server still listens. */
  readonly connections: SocketPool
  /**
   * Opens a client that is connected to this server and closes with it.
   *
   * The kernel completes the handshake before Node accepts the connection (listen(2)).
   *
   * @throws ERR_PORTSIDE_CONNECT_TIMEOUT if nothing answers within `timeout`
   * @throws ERR_PORTSIDE_SERVER_CLOSED if the server is closed, or closing
   * @throws ERR_INVALID_ARG_VALUE if the server has no endpoint of `family`
   * @throws ABORT_ERR if `signal` is aborted
   * @throws the system's code, such as ECONNREFUSED, if the connect fails
   * @see `docs/servers.md#connect`
   */
  connect(options?: ConnectOptions): Promise<Client>
  /**
   * Closes the server and its connections, and resolves to a report when every socket is closed.
   *
   * It accepts the connections in the accept queue, stops listening, and lets requests in flight finish. When the grace is over,
   * it uses force. Calls share one promise; a later call can only bring the deadline nearer.
   *
   * @throws ERR_PORTSIDE_HANDLER if a handler threw or rejected
   * @throws ERR_PORTSIDE_DRAIN if connections outlived the grace, with `force: 'reject'`
   * @throws ERR_PORTSIDE_DRAIN_HOOK if a hook of `connections.onDrain()` failed
   * @throws ERR_PORTSIDE_DRAIN_STUCK if a destroyed socket does not close within 5 seconds
   * @see `docs/servers.md#close`
   */
  close(options?: DrainOptions): Promise<DrainReport>
}

/**
 * A server with the certificate that portside made for this process.
 *
 * @see `docs/servers.md#tls`
 */
export interface SecureTestServer<S = tls.Server> extends TestServer<S, tls.TLSSocket> {
  /** The PEM of the authority that signed the certificate, for the `ca` option of clients. */
  readonly ca: string
}

/** The place of a server on a unix socket or named pipe. */
export interface UnixEndpoint {
  /** The path. */
  readonly address: string
  /** Always 0: a path has no port. */
  readonly port: 0
  /** Always `'Unix'`. */
  readonly family: 'Unix'
}

/**
 * A server on a unix socket, or on a named pipe on Windows.
 *
 * @see `docs/servers.md#unix-sockets`
 */
export interface UnixTestServer<S = net.Server>
  extends Omit<TestServer<S>, 'endpoint' | 'endpoints' | 'family' | 'port'>,
    UnixEndpoint {
  /** The path where it listens. */
  readonly path: string
  /** The path, with port 0 and family `'Unix'`. */
  readonly endpoint: UnixEndpoint
  /** Only `endpoint`. */
  readonly endpoints: readonly UnixEndpoint[]
}

/**
 * A bound UDP socket. It has no connections, so `connections` and the report of `close()` stay empty (udp(7)).
 *
 * @see `docs/servers.md#udp`
 */
export type UdpTestServer = TestServer<dgram.Socket, dgram.Socket>
