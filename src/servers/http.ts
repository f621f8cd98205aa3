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

/** A request listener: `(req, res)`, an Express or Connect app, the callback of a Koa app. */
export type RequestHandler = (request: http.IncomingMessage, response: http.ServerResponse) => unknown

/**
 * An HTTP server that listens on loopback. Without a handler it echoes the body of each request.
 *
 * A handler that throws or rejects answers 500 with the error's stack, or cuts a response that has begun, and
 * `close()` rejects with ERR_PORTSIDE_HANDLER. Everything else as `listenTcp`.
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

/** As `listenHttp`, over TLS with the certificate of this process; clients trust it through `ca`. */
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

/** What HTTP/1 and the compatible API of HTTP/2 have in common. */
interface AnyRequest extends Pick<Readable, 'pipe'> {
  readonly headers: http.IncomingHttpHeaders
}
interface AnyResponse extends NodeJS.WritableStream {
  readonly headersSent: boolean
  statusCode: number
  setHeader(name: string, value: string): unknown
  destroy(): unknown
}

/** Sends back the body that comes, under its own content type. */
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
