import net from 'node:net'
import { calledBy } from '../caller.js'
import { readOptions } from '../options.js'
import { HandlerErrors, handlerOr } from './handler.js'
import { listenSpec } from './listen-options.js'
import type { ListenOptions, TestServer } from './server.js'
import { listenOnAddress } from './stream-server.js'

export type ConnectionHandler<Socket extends net.Socket = net.Socket> = (
  this: net.Server,
  socket: Socket,
) => void | Promise<void>

/**
 * A TCP server that listens on loopback. Without a handler it echoes.
 *
 * Resolves once the kernel holds the port, which it picked (ip(7), ip_local_port_range). A handler that throws or
 * rejects ends its connection, and `close()` rejects with ERR_PORTSIDE_HANDLER. Otherwise rejects with
 * ERR_INVALID_ARG_TYPE, ERR_SOCKET_BAD_PORT, ERR_PORTSIDE_FAMILY_UNAVAILABLE, ABORT_ERR, or what the system answered to
 * the bind: EADDRINUSE, EADDRNOTAVAIL, EACCES, EMFILE.
 */
export function listenTcp(onConnection?: ConnectionHandler, options: ListenOptions = {}): Promise<TestServer> {
  return calledBy(listenTcp, () => openTcp('listenTcp', onConnection, readOptions(options, listenSpec('listenTcp'))))
}

/** The same for a function of another name, which is told how it is closed. */
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

/** Sends back what comes. */
export function echo(this: unknown, socket: net.Socket): void {
  socket.pipe(socket)
}

export function abandonSocket(_error: unknown, socket: net.Socket): void {
  socket.destroy()
}
