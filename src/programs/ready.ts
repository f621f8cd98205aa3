import { types } from 'node:util'
import { readArgument } from '../argument.js'
import { invalidArgument } from '../errors.js'
import type { Endpoint } from '../loopback/endpoint.js'
import { readOptions } from '../options.js'

/**
 * What makes a program ready. Every condition also requires that the program listens.
 * @experimental
 */
export type Ready =
  /** The program accepts connections. */
  | 'listening'
  /** A line of its output matches. */
  | RegExp
  | { output: RegExp }
  | HttpReady
  | TcpReady
  /** portside calls it again and again until it resolves to true. If it throws, the program is not ready yet. */
  | ((endpoint: Endpoint) => boolean | Promise<boolean>)

/**
 * The program is ready when it answers a GET request.
 * @experimental
 */
export interface HttpReady {
  /** A path, such as `/health`. portside finds out whether the program speaks HTTP or HTTPS. */
  http: string
  /**
   * The status, or a function that returns true for it. Redirects are not followed.
   * @default from 200 to 399
   */
  status?: number | ((status: number) => boolean)
  /**
   * Matches the first 64 KiB of the body.
   * @default any body
   */
  body?: RegExp
}

/**
 * The program is ready when it answers these bytes.
 * @experimental
 */
export interface TcpReady {
  /** The bytes to send. `''`: none, for a server that speaks first. */
  send: string | Uint8Array
  /** Matches the answer. */
  expect: RegExp
}

const EXPECTED =
  "'listening', a regular expression for a line of output, { http }, { send, expect }, a function, or an array of these"

/** Checks the option `ready`. Throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE or ERR_PORTSIDE_UNKNOWN_OPTION. */
export function checkReady(given: unknown): readonly Ready[] {
  const all = readArgument('ready', EXPECTED, given, () => {
    const listed: unknown[] = given === undefined ? [] : Array.isArray(given) ? Array.from(given) : [given]
    // Read once: a proxy may throw.
    return listed.every((one) => typeof one !== 'object' || one === null || Object.keys(one)) ? listed : undefined
  })
  for (const one of all) {
    if (one === 'listening' || typeof one === 'function' || isRegExp(one)) continue
    if (typeof one !== 'object' || one === null) {
      const next = typeof one === 'string' && one.startsWith('/') ? `pass { http: '${one}' }` : undefined
      throw invalidArgument('ERR_INVALID_ARG_VALUE', 'ready', EXPECTED, one, next)
    }
    if ('http' in one) checkHttp(one as HttpReady)
    else if ('output' in one) checkOutput(one as { output: RegExp })
    else if ('send' in one || 'expect' in one) checkTcp(one as TcpReady)
    else {
      if (!Array.isArray(one)) readOptions(one, ANY)
      throw invalidArgument('ERR_INVALID_ARG_VALUE', 'ready', EXPECTED, one)
    }
  }
  return all as Ready[]
}

/** Also true for a regular expression of another realm. */
export const isRegExp = (value: unknown): value is RegExp => types.isRegExp(value)

const ANY = {
  of: 'ready',
  names: ['http', 'status', 'body', 'output', 'send', 'expect'],
  example: "{ http: '/health' }",
}
const HTTP = { of: 'ready', names: ['http', 'status', 'body'], example: "{ http: '/health' }" }
const TCP = { of: 'ready', names: ['send', 'expect'], example: "{ send: 'PING\\r\\n', expect: /PONG/ }" }

function checkHttp(given: HttpReady): void {
  const { http } = readOptions(given, HTTP)
  if (typeof http !== 'string') throw invalidArgument('ERR_INVALID_ARG_TYPE', 'ready.http', 'a path', http)
  if (!/^\/(?!\/)[\x21-\x7e]*$/.test(http)) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'ready.http', "a path that begins with '/', such as '/health'", http)
  }
  checkAnswer(given, 'ready.')
}

/** Checks `status` and `body`, also for `waitForReady()`. */
export function checkAnswer({ status, body }: Pick<HttpReady, 'status' | 'body'>, of = ''): void {
  const code = typeof status === 'number' && Number.isInteger(status) && status >= 100 && status <= 599
  if (status !== undefined && !code && typeof status !== 'function') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', `${of}status`, 'an integer from 100 to 599, or a function', status)
  }
  if (body !== undefined && !isRegExp(body)) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', `${of}body`, 'a regular expression', body)
  }
}

function checkOutput(given: { output: RegExp }): void {
  const { output } = readOptions(given, { of: 'ready', names: ['output'], example: '{ output: /listening/ }' })
  if (!isRegExp(output)) throw invalidArgument('ERR_INVALID_ARG_TYPE', 'ready.output', 'a regular expression', output)
}

function checkTcp(given: TcpReady): void {
  const { send, expect } = readOptions(given, TCP)
  if (typeof send !== 'string' && !types.isUint8Array(send)) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'ready.send', 'a string or bytes', send)
  }
  if (!isRegExp(expect)) throw invalidArgument('ERR_INVALID_ARG_TYPE', 'ready.expect', 'a regular expression', expect)
}

/** Whether a condition needs the output of the program. */
export const readsOutput = (ready: readonly Ready[]): boolean =>
  ready.some((one) => isRegExp(one) || (typeof one === 'object' && 'output' in one))

/** Checks `ready` for a program that portside did not start: portside does not read its output. */
export function checkReadyOfOthers(given: unknown): readonly Ready[] {
  const ready = checkReady(given)
  if (!readsOutput(ready)) return ready
  const expected = 'no line of output: only spawnListening() reads the output of a program'
  throw invalidArgument('ERR_INVALID_ARG_VALUE', 'ready', expected, given)
}
