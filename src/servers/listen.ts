import type dgram from 'node:dgram'
import type net from 'node:net'
import { calledBy } from '../caller.js'
import { invalidArgument } from '../errors.js'
import { readOptions } from '../options.js'
import { isDatagram, isServer } from '../platform/node-objects.js'
import { anyListenSpec } from './listen-options.js'
import type { ListenOptions, TestServer, UdpTestServer, UnixListenOptions, UnixTestServer } from './server.js'
import { listenOnAddress } from './stream-server.js'
import { listenOnSocket } from './udp.js'
import { listenOnPath } from './unix.js'

/**
 * Binds a datagram socket made elsewhere to a free port of loopback.
 *
 * @throws ERR_SOCKET_ALREADY_BOUND if the socket is bound
 * @throws ERR_SOCKET_DGRAM_NOT_RUNNING if the socket is closed
 * @throws the codes of `listenTcp()`
 * @example
 * ```ts
 * import dgram from 'node:dgram'
 * import { once } from 'node:events'
 * import { listen } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listen(dgram.createSocket('udp4'), { family: 'IPv4' })
 * const client = await server.connect()
 * client.send('ping')
 * expect(String((await once(server.server, 'message'))[0])).toBe('ping')
 * ```
 * @see `docs/servers.md#servers-made-elsewhere`
 */
export function listen(socket: dgram.Socket, options?: ListenOptions): Promise<UdpTestServer>
/**
 * Listens on a unix socket with a server made elsewhere. `close()` removes the socket.
 *
 * @throws the codes of `listenUnix()`
 * @throws ERR_SERVER_ALREADY_LISTEN if the server listens already
 * @throws ERR_PORTSIDE_SERVER_CLOSED if the server was closed
 * @see `docs/servers.md#servers-made-elsewhere`
 */
export function listen<S extends net.Server>(
  server: S,
  options: UnixListenOptions & { path: string },
): Promise<UnixTestServer<S>>
/**
 * Listens on a free port of loopback with a server made elsewhere: any `net.Server`, HTTP, HTTPS, HTTP/2 or TLS server, or
 * `dgram.Socket`.
 *
 * portside tracks its connections from the first on. Its handlers stay its own: portside does not catch their errors. Its own
 * `close()`, or a framework's, drains it too.
 *
 * @throws ERR_SERVER_ALREADY_LISTEN if the server listens already
 * @throws ERR_PORTSIDE_SERVER_CLOSED if the server was closed
 * @throws ERR_PORTSIDE_CLOSED_WHILE_LISTENING if the server is closed before it is bound
 * @throws ERR_PORTSIDE_LATE_ATTACH if the server has connections that portside did not track
 * @throws the codes of `listenTcp()`
 * @example
 * ```ts
 * import http from 'node:http'
 * import { listen } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listen(http.createServer((_request, response) => response.end('hello')))
 * const response = await fetch(server.url)
 * expect(await response.text()).toBe('hello')
 * ```
 * @see `docs/servers.md#servers-made-elsewhere`
 */
export function listen<S extends net.Server>(server: S, options?: ListenOptions): Promise<TestServer<S>>
export function listen(
  server: net.Server | dgram.Socket,
  options: ListenOptions & { path?: string } = {},
): Promise<unknown> {
  return calledBy(listen, async () => {
    const read = readOptions(options, anyListenSpec)
    if (isDatagram(server)) return listenOnSocket(server, read, OPENER)
    if (!isServer(server)) {
      throw invalidArgument('ERR_INVALID_ARG_TYPE', 'server', 'a net.Server or a dgram.Socket', server)
    }
    return read.path === undefined ? listenOnAddress(server, read, OPENER) : listenOnPath(server, read, OPENER)
  })
}

const OPENER = { opener: 'listen' }
