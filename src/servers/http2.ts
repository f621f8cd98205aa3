import type http2 from 'node:http2'
import { checkBoolean } from '../argument.js'
import { calledBy } from '../caller.js'
import { readOptions } from '../options.js'
import { processCertificate } from './certificate.js'
import { HandlerErrors, handlerOr } from './handler.js'
import { abandonRequest, echoRequest } from './http.js'
import { secureListenSpec } from './listen-options.js'
import type { ListenOptions, SecureTestServer, TestServer } from './server.js'
import { listenOnAddress } from './stream-server.js'

export type Http2RequestHandler = (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => unknown

export interface Http2ListenOptions extends ListenOptions {
  /** TLS with ALPN `h2`, which also serves HTTP/1.1 to clients that ask for it. Default false: h2c, prior knowledge. */
  secure?: boolean
}

/**
 * An HTTP/2 server that listens on loopback. Without a handler it echoes the body of each request. Everything else as
 * `listenHttp`; a secure one has `ca`.
 */
export function listenHttp2(
  onRequest: Http2RequestHandler | undefined,
  options: Http2ListenOptions & { secure: true },
): Promise<SecureTestServer<http2.Http2SecureServer>>
export function listenHttp2(
  onRequest?: Http2RequestHandler,
  options?: Http2ListenOptions & { secure?: false },
): Promise<TestServer<http2.Http2Server>>
export function listenHttp2(onRequest?: Http2RequestHandler, options: Http2ListenOptions = {}): Promise<unknown> {
  return calledBy(listenHttp2, () =>
    openHttp2(onRequest, readOptions(options, secureListenSpec('listenHttp2', 'secure'))),
  )
}

async function openHttp2(onRequest: Http2RequestHandler | undefined, given: Http2ListenOptions): Promise<unknown> {
  const { secure = false, ...options } = given
  checkBoolean('secure', secure)
  const handler = handlerOr<Http2RequestHandler>(onRequest, echoRequest)
  const handlerErrors = new HandlerErrors()
  const { createServer, createSecureServer } = await import('node:http2')
  const guarded = handlerErrors.guard(handler, abandonRequest)
  if (!secure) return listenOnAddress(createServer(guarded), options, { opener: 'listenHttp2', handlerErrors })
  const { ca, ...identity } = await processCertificate()
  const server = createSecureServer({ ...identity, allowHTTP1: true }, guarded)
  return listenOnAddress(server, options, { opener: 'listenHttp2', handlerErrors, ca })
}
