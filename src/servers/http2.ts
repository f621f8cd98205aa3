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

/** A request listener of the compatibility API of `node:http2`. */
export type Http2RequestHandler = (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => unknown

/** Where an HTTP/2 server listens, and whether it speaks TLS. */
export interface Http2ListenOptions extends ListenOptions {
  /**
   * True: TLS with ALPN `h2`, and HTTP/1.1 for clients that ask for it. False: cleartext HTTP/2 with prior knowledge.
   *
   * @default false
   */
  secure?: boolean
}

/**
 * Starts an HTTP/2 server on a free port of loopback. Without a handler it echoes the body of each request.
 *
 * With `secure: true` it speaks TLS with a certificate made for this process, which clients trust through `ca`. Errors of a handler
 * are treated as in `listenHttp()`.
 *
 * @throws the codes of `listenTcp()`
 * @example
 * ```ts
 * import http2 from 'node:http2'
 * import { text } from 'node:stream/consumers'
 * import { listenHttp2 } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listenHttp2((_request, response) => response.end('hello'))
 * const session = http2.connect(server.url)
 * expect(await text(session.request())).toBe('hello')
 * session.close()
 * ```
 * @see `docs/servers.md`
 */
export function listenHttp2(
  onRequest: Http2RequestHandler | undefined,
  options: Http2ListenOptions & { secure: true },
): Promise<SecureTestServer<http2.Http2SecureServer>>
/**
 * Starts a cleartext HTTP/2 server, with prior knowledge, on a free port of loopback. Without a handler it echoes the body.
 *
 * @throws the codes of `listenTcp()`
 * @see `docs/servers.md`
 */
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
