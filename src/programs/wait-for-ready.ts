import type { SecureContextOptions } from 'node:tls'
import { readArgument } from '../argument.js'
import { calledBy } from '../caller.js'
import { namesOf, readOptions } from '../options.js'
import { checkAnswer, type HttpReady } from './ready.js'
import { waitForUrl } from './wait-for-answer.js'
import { checkTimes, type WaitOptions } from './wait-options.js'

/** @experimental */
export interface ReadyWaitOptions extends WaitOptions, Pick<HttpReady, 'status' | 'body'> {
  /** Certificates that the server's is checked against, as for `tls.connect()`. Default: those that Node trusts. */
  ca?: SecureContextOptions['ca']
}

/**
 * Waits until a URL answers with the status and the body that are wanted: by default with any body, and a status from 200 to 399.
 * It sends GET requests, each on a connection of its own, and follows no redirects. A name is asked at all of its addresses, and
 * `localhost` at the loopback addresses of both families, until one of them accepts.
 *
 * Rejects with ERR_PORTSIDE_NOT_READY, whose `lastAnswer` has the `status` and the `body`, or the `error`, of the last answer;
 * ABORT_ERR; ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE or ERR_OUT_OF_RANGE for invalid arguments.
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
