import type http from 'node:http'
import type tls from 'node:tls'
import { codeOf } from '../errors.js'
import { bracketed } from '../loopback/endpoint.js'
import { infrastructure } from '../sockets/infrastructure.js'
import { clearTimeout, setTimeout } from '../timers.js'
import { type Condition, type ReadyAnswer, repeatable } from './condition.js'
import type { HttpReady } from './ready.js'

/** Which certificates are accepted: any, for a program of ours on loopback, or those that Node or a `ca` vouches for. */
export type Trust = 'any' | { readonly ca?: tls.SecureContextOptions['ca'] }

export interface Request {
  readonly protocol: 'http:' | 'https:'
  /** What is dialled. */
  readonly host: string
  readonly port: number
  readonly path: string
  /** The name in the URL, for the Host header and the certificate. Default: `host`. */
  readonly name?: string
  readonly trust: Trust
}

/** Asks a program over HTTP. Whether it speaks TLS is found out: one that does has no answer to plain HTTP. */
export function httpCondition(given: HttpReady, trust: Trust): Condition {
  const { http: path } = given
  let protocol: Request['protocol'] = 'http:'
  return {
    expected: `GET ${path} to answer with ${expectedAnswer(given)}`,
    async ask({ address: host, port }, signal) {
      const request = { host, port, path, trust }
      const answer = await askHttp({ ...request, protocol }, signal)
      if (answer.error === undefined) return isReady(answer, given) ? undefined : answer
      const other = protocol === 'http:' ? 'https:' : 'http:'
      if (!NOT_HTTP.test(codeOf(answer.error) ?? '') || signal.aborted) return answer
      const second = await askHttp({ ...request, protocol: other }, signal)
      if (second.error !== undefined) return answer
      protocol = other
      return isReady(second, given) ? undefined : second
    },
  }
}

/** What comes of HTTP that is sent to a server of TLS, and of TLS that is sent to one of HTTP. */
const NOT_HTTP = /^(HPE_|ECONNRESET$|EPROTO$|ERR_SSL_)/

export const expectedAnswer = ({ status, body }: Pick<HttpReady, 'status' | 'body'>): string =>
  [
    typeof status === 'function'
      ? 'a status for which the function given as status returns true'
      : status === undefined
        ? 'a status from 200 to 399'
        : `status ${status}`,
    ...(body === undefined ? [] : [`a body that matches ${body}`]),
  ].join(' and ')

export function isReady({ status = 0, body = '' }: ReadyAnswer, wanted: Pick<HttpReady, 'status' | 'body'>): boolean {
  const good =
    typeof wanted.status === 'function'
      ? wanted.status(status)
      : wanted.status === undefined
        ? status >= 200 && status < 400
        : status === wanted.status
  return good && (wanted.body === undefined || repeatable(wanted.body).test(body))
}

/** Asks once, on a connection of its own. Resolves to the answer, or to the error for want of one. */
export async function askHttp(request: Request, signal: AbortSignal): Promise<ReadyAnswer> {
  const { protocol, host, port, path, name = host, trust } = request
  const client = protocol === 'https:' ? (await import('node:https')).default : (await import('node:http')).default
  const options: http.RequestOptions & tls.ConnectionOptions = {
    host,
    port,
    path,
    signal,
    // A connection that nothing keeps.
    agent: false,
    headers: { host: `${bracketed(name)}:${port}`, accept: '*/*', 'user-agent': 'portside' },
    ...(protocol === 'https:'
      ? { ...(trust === 'any' ? { rejectUnauthorized: false } : trust), servername: serverNameOf(name) }
      : {}),
  }
  return new Promise((resolve) => {
    const sent = client.get(options, (response) => {
      let body = ''
      const { statusCode: status = 0 } = response
      const done = (): void => {
        clearTimeout(timer)
        resolve({ status, body })
        sent.destroy()
      }
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
        if (body.length >= LARGEST) done()
      })
      response.once('end', done).once('close', done).once('error', done)
    })
    const timer = setTimeout(() => sent.destroy(new Error(`no answer within ${ATTEMPT} ms`)), ATTEMPT)
    sent.once('socket', infrastructure)
    sent.once('error', (error) => {
      clearTimeout(timer)
      resolve({ error: signal.aborted ? new Error('no answer') : error })
    })
  })
}

/** An address is no name for SNI (RFC 6066 §3). */
const serverNameOf = (name: string): string => (/^[\d.]+$|:/.test(name) ? '' : name)

/** Characters of a body that are looked at. */
const LARGEST = 65_536

/** Longest that one request waits, in milliseconds: a server may have dropped the first ones. */
const ATTEMPT = 5000
