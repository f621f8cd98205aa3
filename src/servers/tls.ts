import type tls from 'node:tls'
import { calledBy } from '../caller.js'
import { readOptions } from '../options.js'
import { processCertificate } from './certificate.js'
import { HandlerErrors, handlerOr } from './handler.js'
import { secureListenSpec } from './listen-options.js'
import type { ListenOptions, SecureTestServer } from './server.js'
import { listenOnAddress } from './stream-server.js'
import { abandonSocket, type ConnectionHandler, echo } from './tcp.js'

/**
 * Starts a TLS server on a free port of loopback. Without a handler it echoes.
 *
 * Its certificate is made for this process and names `localhost`, 127.0.0.1 and ::1. Clients trust it through `ca`.
 * Node 22.23, 24.17, 24.18 and 26.4 match no IPv6 address: pass `servername: 'localhost'` there. `connect()` does.
 *
 * @throws the codes of `listenTcp()`
 * @example
 * ```ts
 * import { text } from 'node:stream/consumers'
 * import { listenTls } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listenTls((socket) => void socket.end('hello'))
 * expect(await text(await server.connect())).toBe('hello')
 * ```
 * @see `docs/servers.md#tls`
 */
export function listenTls(
  onConnection?: ConnectionHandler<tls.TLSSocket>,
  options: ListenOptions = {},
): Promise<SecureTestServer<tls.Server>> {
  return calledBy(listenTls, async () => {
    const read = readOptions(options, secureListenSpec('listenTls'))
    const handler = handlerOr(onConnection, echo)
    const handlerErrors = new HandlerErrors()
    const { createServer } = await import('node:tls')
    const { ca, ...identity } = await processCertificate()
    const server = createServer(identity)
    server.on('secureConnection', handlerErrors.guard(handler, abandonSocket))
    const listening = await listenOnAddress(server, read, { opener: 'listenTls', handlerErrors, ca })
    return listening as unknown as SecureTestServer<tls.Server>
  })
}
