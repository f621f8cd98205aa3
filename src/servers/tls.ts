import type tls from 'node:tls'
import { HandlerErrors, handlerOr } from './handler.js'
import type { ListenOptions, SecureTestServer } from './server.js'
import { listenOnAddress } from './stream-server.js'
import { abandonSocket, type ConnectionHandler, echo } from './tcp.js'

/**
 * A TLS server that listens on loopback with a certificate made for this process: localhost, 127.0.0.1, ::1. Clients
 * trust it through `ca`. Everything else as `listenTcp`.
 */
export async function listenTls(
  onConnection?: ConnectionHandler<tls.TLSSocket>,
  options: ListenOptions = {},
): Promise<SecureTestServer<tls.Server>> {
  const handler = handlerOr(onConnection, echo)
  const handlerErrors = new HandlerErrors()
  const { createServer } = await import('node:tls')
  const { ca, ...identity } = await serverIdentity()
  const server = createServer(identity)
  server.on('secureConnection', handlerErrors.guard(handler, abandonSocket))
  return (await listenOnAddress(server, options, { handlerErrors, ca })) as unknown as SecureTestServer<tls.Server>
}

/** The key and the certificate of this process's servers; made when first asked for. */
export async function serverIdentity(): Promise<{ key: string; cert: string; ca: string }> {
  const { processCertificate } = await import('./certificate.js')
  return processCertificate()
}
