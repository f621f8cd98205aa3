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
 * Listens with a server made elsewhere: any `net.Server`, HTTP, HTTPS, HTTP/2 or TLS server, or `dgram.Socket`.
 *
 * Its connections are tracked from the first on. Rejects with ERR_SERVER_ALREADY_LISTEN for a server that listens,
 * ERR_PORTSIDE_SERVER_CLOSED for one that was closed, and otherwise as `listenTcp` does.
 */
export function listen(socket: dgram.Socket, options?: ListenOptions): Promise<UdpTestServer>
export function listen<S extends net.Server>(
  server: S,
  options: UnixListenOptions & { path: string },
): Promise<UnixTestServer<S>>
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
