import type http from 'node:http'
import type https from 'node:https'
import type { Readable } from 'node:stream'
import { calledBy } from '../caller.js'
import { readOptions } from '../options.js'
import { thrownText } from '../thrown-text.js'
import { processCertificate } from './certificate.js'
import { HandlerErrors, handlerOr } from './handler.js'
import { listenSpec, secureListenSpec } from './listen-options.js'
import type { ListenOptions, SecureTestServer, TestServer } from './server.js'
import { listenOnAddress } from './stream-server.js'

/** A request listener: `(request, response)`, an Express or Connect app, or the callback of a Koa app. */
export type RequestHandler = (request: http.IncomingMessage, response: http.ServerResponse) => unknown

/**
 * Starts an HTTP server on a free port of loopback. Without a handler it echoes the body of each request.
 *
 * If a handler throws or rejects, the client gets status 500 with the error's stack. A response that has begun is cut off instead.
 * In both cases `close()` rejects with ERR_PORTSIDE_HANDLER.
 *
 * @throws the codes of `listenTcp()`
 * @example
 * ```ts
 * import { listenHttp } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listenHttp((_request, response) => response.end('hello'))
 * const response = await fetch(server.url)
 * expect(await response.text()).toBe('hello')
 * ```
 * @see `docs/servers.md`
 */
export function listenHttp(onRequest?: RequestHandler, options: ListenOptions = {}): Promise<TestServer<http.Server>> {
  return calledBy(listenHttp, async () => {
    const read = readOptions(options, listenSpec('listenHttp'))
    const handler = handlerOr(onRequest, echoRequest)
    const handlerErrors = new HandlerErrors()
    const { createServer } = await import('node:http')
    const server = createServer(handlerErrors.guard(handler, abandonRequest))
    return listenOnAddress(server, read, { opener: 'listenHttp', handlerErrors })
  })
}

/**
 * Starts an HTTPS server on a free port of loopback. Without a handler it echoes the body of each request.
 *
 * Its certificate is made for this process and names `localhost`, 127.0.0.1 and ::1. Clients trust it through `ca`.
 * Node 22.23, 24.17, 24.18 and 26.4 match no IPv6 address: pass `servername: 'localhost'` there.
 *
 * @throws the codes of `listenTcp()`
 * @example
 * ```ts
 * import { once } from 'node:events'
 * import https from 'node:https'
 * import { listenHttps } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listenHttps((_request, response) => response.end('hello'))
 * const request = https.get(server.url, { ca: server.ca, servername: 'localhost' })
 * const [response] = await once(request, 'response')
 * expect(response.resume().statusCode).toBe(200)
 * ```
 * @see `docs/servers.md#tls`
 */
export function listenHttps(
  onRequest?: RequestHandler,
  options: ListenOptions = {},
): Promise<SecureTestServer<https.Server>> {
  return calledBy(listenHttps, async () => {
    const read = readOptions(options, secureListenSpec('listenHttps'))
    const handler = handlerOr(onRequest, echoRequest)
    const handlerErrors = new HandlerErrors()
    const { createServer } = await import('node:https')
    const { ca, ...identity } = await processCertificate()
    const server = createServer(identity, handlerErrors.guard(handler, abandonRequest))
    const listening = await listenOnAddress(server, read, { opener: 'listenHttps', handlerErrors, ca })
    return listening as unknown as SecureTestServer<https.Server>
  })
}

/** The part that HTTP/1 shares with the compatibility API of HTTP/2. */
interface AnyRequest extends Pick<Readable, 'pipe'> {
  readonly headers: http.IncomingHttpHeaders
}
interface AnyResponse extends NodeJS.WritableStream {
  readonly headersSent: boolean
  statusCode: number
  setHeader(name: string, value: string): unknown
  destroy(): unknown
}

/** Sends back the body with its content type. */
export function echoRequest(request: AnyRequest, response: AnyResponse): void {
  const type = request.headers['content-type']
  if (type !== undefined) response.setHeader('content-type', type)
  request.pipe(response)
}

export function abandonRequest(error: unknown, _request: unknown, response: AnyResponse): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  response.statusCode = 500
  response.setHeader('content-type', 'text/plain; charset=utf-8')
  response.end(`The handler failed. ${thrownText(error, 'stack')}\n`)
}
