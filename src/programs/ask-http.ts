import type http from 'node:http'
import type tls from 'node:tls'
import { codeOf } from '../errors.js'
import { bracketed } from '../loopback/endpoint.js'
import { infrastructure } from '../sockets/infrastructure.js'
import { clearTimeout, setTimeout } from '../timers.js'
import { type Condition, type ReadyAnswer, repeatable, toError } from './condition.js'
import type { HttpReady } from './ready.js'

/** The accepted certificates: any, for a program on loopback, or those that Node or a `ca` trusts. */
export type Trust = 'any' | { readonly ca?: tls.SecureContextOptions['ca'] }

export interface Request {
  readonly protocol: 'http:' | 'https:'
  /** The address to connect to. */
  readonly host: string
  readonly port: number
  readonly path: string
  /** The name in the URL, for the Host header and the certificate. Default: `host`. */
  readonly name?: string
  readonly trust: Trust
}

/** Requests a path over HTTP. Finds out whether the program speaks TLS, by the answer to plain HTTP. */
export function httpCondition(given: HttpReady, trust: Trust): Condition {
  const { http: path } = given
  let protocol: Request['protocol'] = 'http:'
  return {
    expected: `GET ${path} to answer with ${expectedAnswer(given)}`,
    async ask({ address: host, port }, signal) {
      const request = { host, port, path, trust }
      const { ready, answer } = await askHttp({ ...request, protocol }, given, signal)
      if (ready) return undefined
      if (!mayBeOther(protocol, answer) || signal.aborted) return answer
      const other = protocol === 'http:' ? 'https:' : 'http:'
      const second = await askHttp({ ...request, protocol: other }, given, signal)
      if (second.answer.status === undefined) return answer
      protocol = other
      return second.ready ? undefined : second.answer
    },
  }
}

/** Whether the answer is typical of HTTP sent to a TLS server, or of TLS sent to an HTTP server. */
function mayBeOther(protocol: Request['protocol'], { status, error }: ReadyAnswer): boolean {
  // TLS servers in Go, nginx and Apache answer plain HTTP with this status.
  if (status !== undefined) return protocol === 'http:' && status === 400
  return NOT_HTTP.test(codeOf(error) ?? '')
}

const NOT_HTTP = /^(HPE_|ECONNRESET$|EPROTO$|ERR_SSL_)/

type Wanted = Pick<HttpReady, 'status' | 'body'>

export const expectedAnswer = ({ status, body }: Wanted): string =>
  [
    typeof status === 'function'
      ? 'a status for which the status function returns true'
      : status === undefined
        ? 'a status from 200 to 399'
        : `status ${status}`,
    ...(body === undefined ? [] : [`a body that matches ${body}`]),
  ].join(' and ')

function isGood(status: number, wanted: Wanted['status']): boolean {
  if (typeof wanted === 'function') {
    const verdict: unknown = wanted(status)
    // A promise is not true. Its rejection must not be unhandled.
    Promise.resolve(verdict).catch(() => {})
    return verdict === true
  }
  return wanted === undefined ? status >= 200 && status < 400 : status === wanted
}

interface Asked {
  readonly answer: ReadyAnswer
  /** Whether the answer is the expected one. */
  readonly ready: boolean
}

/**
 * Sends one request on a new connection. Resolves to the answer, or to the error if none comes. It stops reading when the
 * answer matches: the body of an event stream does not end.
 */
export async function askHttp(request: Request, wanted: Wanted, signal: AbortSignal): Promise<Asked> {
  const { protocol, host, port, path, name = host, trust } = request
  const client = protocol === 'https:' ? (await import('node:https')).default : (await import('node:http')).default
  const options: http.RequestOptions & tls.ConnectionOptions = {
    host,
    port,
    path,
    signal,
    // No agent keeps the connection open.
    agent: false,
    headers: { host: `${bracketed(name)}:${port}`, accept: '*/*', 'user-agent': 'portside' },
    ...(protocol === 'https:'
      ? { ...(trust === 'any' ? { rejectUnauthorized: false } : trust), servername: serverNameOf(name) }
      : {}),
  }
  return new Promise((resolve) => {
    let read: (() => Asked) | undefined
    const done = (asked: Asked): void => {
      clearTimeout(timer)
      resolve(asked)
      sent.destroy()
    }
    const sent = client.get(options, (response) => {
      const pattern = wanted.body && repeatable(wanted.body)
      const { statusCode: status = 0 } = response
      let body = ''
      let good = false
      let thrown: { error?: Error } = {}
      try {
        good = isGood(status, wanted.status)
      } catch (error) {
        thrown = { error: toError(error) }
      }
      const soFar = (): Asked => ({
        answer: { status, body, ...thrown },
        ready: good && (pattern === undefined || pattern.test(body)),
      })
      const end = (): void => done(soFar())
      read = soFar
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
        if (body.length >= LARGEST || soFar().ready) end()
      })
      response.once('end', end).once('close', end).on('error', end)
      if (soFar().ready) end()
    })
    const timer = setTimeout(() => sent.destroy(new Error(`no answer within ${ATTEMPT} ms`)), ATTEMPT)
    sent.once('socket', infrastructure)
    sent.on('error', (error) => {
      done(read?.() ?? { answer: { error: signal.aborted ? new Error('no answer') : error }, ready: false })
    })
  })
}

/** An address is not a valid name for SNI (RFC 6066 §3). */
const serverNameOf = (name: string): string => (/^[\d.]+$|:/.test(name) ? '' : name)

/** How many characters of a body are matched. */
const LARGEST = 65_536

/** Longest wait of one request, in milliseconds: a server may drop early requests. */
const ATTEMPT = 5000
