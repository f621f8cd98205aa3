import net from 'node:net'
import { calledBy } from '../caller.js'
import { readOptions } from '../options.js'
import { HandlerErrors, handlerOr } from './handler.js'
import { listenSpec } from './listen-options.js'
import type { ListenOptions, TestServer } from './server.js'
import { listenOnAddress } from './stream-server.js'

/** Runs for each connection. If it throws or rejects, the connection closes, and `close()` of the server rejects with the error. */
export type ConnectionHandler<Socket extends net.Socket = net.Socket> = (
  this: net.Server,
  socket: Socket,
) => void | Promise<void>

/**
 * Starts a TCP server on a free port of loopback. Without a handler it echoes.
 *
 * Resolves once the kernel has bound the port, which it picks from the ephemeral range (ip(7), ip_local_port_range). If a handler
 * throws or rejects, its connection closes and `close()` rejects with ERR_PORTSIDE_HANDLER.
 *
 * @throws ERR_INVALID_ARG_TYPE if the handler is not a function, or an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if `family` is unknown or contradicts `host`, or `port` is a reservation that does not cover them
 * @throws ERR_OUT_OF_RANGE if `backlog` or `grace` is out of its range
 * @throws ERR_SOCKET_BAD_PORT if `port` is not an integer from 0 to 65535
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @throws ERR_PORTSIDE_FAMILY_UNAVAILABLE if this host lacks the family
 * @throws ERR_PORTSIDE_RESERVATION_RELEASED if `port` is a reservation that was released
 * @throws EADDRINUSE if another socket has the address and port
 * @throws EADDRNOTAVAIL if this host lacks the address
 * @throws EACCES if the port is privileged or reserved by the system
 * @throws EMFILE if the process has no descriptor left
 * @throws ABORT_ERR if `signal` is aborted before the server is bound
 * @example
 * ```ts
 * import { text } from 'node:stream/consumers'
 * import { listenTcp } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listenTcp((socket) => void socket.end('hello'))
 * expect(await text(await server.connect())).toBe('hello')
 * ```
 * @see `docs/servers.md`
 */
export function listenTcp(onConnection?: ConnectionHandler, options: ListenOptions = {}): Promise<TestServer> {
  return calledBy(listenTcp, () => openTcp('listenTcp', onConnection, readOptions(options, listenSpec('listenTcp'))))
}

/** The same for another opener, whose name a leak report shows. */
export async function openTcp(
  opener: string,
  onConnection: ConnectionHandler | undefined,
  options: ListenOptions,
): Promise<TestServer> {
  const handlerErrors = new HandlerErrors()
  const server = net.createServer()
  server.on('connection', handlerErrors.guard(handlerOr(onConnection, echo), abandonSocket))
  return listenOnAddress(server, options, { opener, handlerErrors })
}

/** Sends back the bytes that it receives. */
export function echo(this: unknown, socket: net.Socket): void {
  socket.pipe(socket)
}

export function abandonSocket(_error: unknown, socket: net.Socket): void {
  socket.destroy()
}
