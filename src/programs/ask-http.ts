import type http from 'node:http'
import type tls from 'node:tls'
import { codeOf } from '../errors.js'
import { bracketed } from '../loopback/endpoint.js'
import { infrastructure } from '../sockets/infrastructure.js'
import { clearTimeout, setTimeout } from '../timers.js'
import { type Condition, type ReadyAnswer, repeatable, toError } from './condition.js'
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

/** Whether the answer is what comes of HTTP that is sent to a server of TLS, or of TLS that is sent to one of HTTP. */
function mayBeOther(protocol: Request['protocol'], { status, error }: ReadyAnswer): boolean {
  // Servers in Go, nginx and Apache answer plain HTTP with it, as HTTP.
  if (status !== undefined) return protocol === 'http:' && status === 400
  return NOT_HTTP.test(codeOf(error) ?? '')
}

const NOT_HTTP = /^(HPE_|ECONNRESET$|EPROTO$|ERR_SSL_)/

type Wanted = Pick<HttpReady, 'status' | 'body'>

export const expectedAnswer = ({ status, body }: Wanted): string =>
  [
    typeof status === 'function'
      ? 'a status for which the function given as status returns true'
      : status === undefined
        ? 'a status from 200 to 399'
        : `status ${status}`,
    ...(body === undefined ? [] : [`a body that matches ${body}`]),
  ].join(' and ')

function isGood(status: number, wanted: Wanted['status']): boolean {
  if (typeof wanted === 'function') {
    const verdict: unknown = wanted(status)
    // A promise is not true. Its rejection must not end the process.
    Promise.resolve(verdict).catch(() => {})
    return verdict === true
  }
  return wanted === undefined ? status >= 200 && status < 400 : status === wanted
}

interface Asked {
  readonly answer: ReadyAnswer
  /** It is the wanted one. */
  readonly ready: boolean
}

/**
 * Asks once, on a connection of its own. Resolves with the answer, or with the error if none comes. It reads no further than the
 * wanted answer: the body of a stream of events has no end.
 */
export async function askHttp(request: Request, wanted: Wanted, signal: AbortSignal): Promise<Asked> {
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

/** An address is no name for SNI (RFC 6066 §3). */
const serverNameOf = (name: string): string => (/^[\d.]+$|:/.test(name) ? '' : name)

/** Characters of a body that are looked at. */
const LARGEST = 65_536

/** Longest that one request waits, in milliseconds: a server may have dropped the first ones. */
const ATTEMPT = 5000
