import type { SecureContextOptions } from 'node:tls'
import { readArgument } from '../argument.js'
import { calledBy } from '../caller.js'
import { namesOf, readOptions } from '../options.js'
import { checkAnswer, type HttpReady } from './ready.js'
import { waitForUrl } from './wait-for-answer.js'
import { checkTimes, type WaitOptions } from './wait-options.js'

/**
 * The options of `waitForReady()`.
 * @experimental
 */
export interface ReadyWaitOptions extends WaitOptions, Pick<HttpReady, 'status' | 'body'> {
  /**
   * Certificates to check the server's against, as for `tls.connect()`.
   * @default the certificates that Node trusts
   */
  ca?: SecureContextOptions['ca']
}

/**
 * Waits until a URL answers with the expected status and body: by default a status from 200 to 399 and any body.
 *
 * It sends GET requests, each on a new connection, and follows no redirects. It tries all addresses of a name, and the loopback
 * addresses of both families for `localhost`.
 *
 * @throws ERR_PORTSIDE_NOT_READY if the timeout expires; `lastAnswer` has the last `status` and `body`, or the `error`
 * @throws ABORT_ERR if `signal` aborts
 * @throws ERR_INVALID_ARG_TYPE if an argument has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if an argument has an invalid value
 * @throws ERR_OUT_OF_RANGE if a number is out of range
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```ts
 * import { listenHttp, waitForReady } from 'portside'
 *
 * let requests = 0
 * await using server = await listenHttp((_request, response) => response.writeHead(requests++ < 3 ? 503 : 200).end('up'))
 * await waitForReady(new URL('/health', server.url), { body: /up/ })
 * ```
 * @see `docs/programs.md#waitforready`
 * @experimental
 */
export function waitForReady(url: string | URL, options: ReadyWaitOptions = {}): Promise<void> {
  return calledBy(waitForReady, async () => {
    const { status, body, ca, ...times } = readOptions(options, SPEC)
    const target = readArgument('url', 'a URL of http: or https:', url, () => parse(url))
    checkTimes(times)
    const wanted = { ...(status === undefined ? {} : { status }), ...(body === undefined ? {} : { body }) }
    checkAnswer(wanted)
    await waitForUrl(target, wanted, ca === undefined ? {} : { ca }, times)
  })
}

const SPEC = {
  of: 'waitForReady()',
  names: namesOf<ReadyWaitOptions>()('status', 'body', 'ca', 'timeout', 'interval', 'signal'),
  example: '{ status: 200 }',
  instead: { validateStatus: 'pass status: a number or a function', strictSSL: 'pass ca: certificates are checked' },
}

function parse(url: string | URL): URL | undefined {
  const text = typeof url === 'string' ? url : url.href
  if (typeof text !== 'string' || !URL.canParse(text)) return undefined
  const parsed = new URL(text)
  return parsed.protocol === 'http:' || parsed.protocol === 'https:' ? parsed : undefined
}
