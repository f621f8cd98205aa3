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
 * A TLS server that listens on loopback with a certificate made for this process: localhost, 127.0.0.1, ::1. Clients
 * trust it through `ca`. Everything else as `listenTcp`.
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
