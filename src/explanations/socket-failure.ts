import { isIP } from 'node:net'
import { type Endpoint, familyOf, toEndpoint } from '../loopback/endpoint.js'
import { whyFamilyIsMissing } from '../loopback/probe.js'
import { describeValue } from '../message.js'
import { CODELESS, TIMEOUT } from './code-meaning.js'
import { Fields, isArray, isErrorLike } from './fields.js'
import { rustFailure } from './rust-errors.js'

/** One failure of the kernel or of Node, found inside the errors that a client wrapped around it. */
export interface SocketFailure {
  /** The error with the code. */
  readonly error: unknown
  /** The code; `TIMEOUT` if a client gave up waiting and has no code for it. */
  readonly code: string
  readonly message: string
  readonly syscall?: string | undefined
  readonly address?: string | undefined
  readonly port?: number | undefined
  /** The local end of a connect with a local port; undefined if the kernel picks the port. */
  readonly local?: Endpoint | undefined
  /** The path of a unix socket. */
  readonly path?: string | undefined
  /** The name that did not resolve. */
  readonly hostname?: string | undefined
  /** True if the failure comes from the message: a library wrapped it and kept no fields. */
  readonly quoted?: boolean | undefined
}

/**
 * The failures in an error, one for each address that was tried. Failures inside `errors` and `cause` come before the error around
 * them. If nothing has a code, it reads the message. Empty if there is no failure.
 *
 * An attempt at a family that this host lacks is ignored if there was another attempt.
 */
export function failuresIn(error: unknown): SocketFailure[] {
  const failures = whatIsIn(error)
  if (failures.length < 2) return failures
  const real = failures.filter((failure) => !isOfMissingFamily(failure))
  return real.length > 0 ? real : failures
}

function whatIsIn(error: unknown): SocketFailure[] {
  try {
    return [...collect(error, new Map())]
  } catch {
    // A value that throws when it is read.
    return []
  }
}

/** An address of a family that this host lacks has the same codes as an exhausted range. */
export function isOfMissingFamily({ code, address }: SocketFailure): boolean {
  if (code !== 'EADDRNOTAVAIL' && code !== 'EAFNOSUPPORT') return false
  return address !== undefined && isIP(address) !== 0 && whyFamilyIsMissing(familyOf(address)) !== undefined
}

/** Where the failure happened, if the error says. */
export function placeOf({ address, port, path }: SocketFailure): string | undefined {
  if (path !== undefined) return path.replace(/^\0/, '@')
  if (address === undefined) return undefined
  const host = address.includes(':') ? `[${address}]` : address
  return port === undefined ? host : `${host}:${port}`
}

/** The fields in which libraries keep the original error; an ErrorEvent has it in the last one. */
const INSIDE = ['errors', 'cause', 'lastError', 'error'] as const

/** A limit for nested errors that no library reaches. */
const DEEPEST = 64

/** The failures of errors that were visited. Empty during the visit, so a cycle ends. */
type Seen = Map<object, readonly SocketFailure[]>

function collect(error: unknown, seen: Seen, depth = 0): readonly SocketFailure[] {
  if (typeof error !== 'object' || error === null || depth > DEEPEST) return []
  const known = seen.get(error)
  if (known !== undefined) return known
  seen.set(error, [])
  const fields = new Fields(error)
  let found: readonly SocketFailure[] = []
  for (const name of INSIDE) {
    const inner = fields.get(name)
    found = isArray(inner) ? collectAll(inner, seen, depth) : collect(inner, seen, depth + 1)
    if (found.length > 0) break
  }
  if (found.length === 0) found = own(fields)
  seen.set(error, found)
  return found
}

/** An attempt without a code counts as an attempt if another attempt has one. */
function collectAll(errors: readonly unknown[], seen: Seen, depth: number): readonly SocketFailure[] {
  const attempts = errors.filter(
    (error) => !(typeof error === 'object' && error !== null && seen.get(error)?.length === 0),
  )
  const found = attempts.map((error) => collect(error, seen, depth + 1))
  if (found.every(({ length }) => length === 0)) return []
  // An error may be in the list twice.
  return [...new Set(found.flatMap((failures, index) => (failures.length > 0 ? failures : codeless(attempts[index]))))]
}

function codeless(error: unknown): SocketFailure[] {
  const message = isErrorLike(error) ? error.message : describeValue(error)
  return [{ error, code: CODELESS, message }]
}

function own(fields: Fields): SocketFailure[] {
  const { error } = fields
  const code = fields.text('code')
  const message = fields.text('message') ?? ''
  if (code !== undefined && CODE.test(code)) return [{ error, code, message, ...placeIn(fields, code, message) }]
  // gRPC repeats the details in the message.
  const details = fields.text('details')
  const said = details === undefined || message.includes(details) ? message : `${message} ${details}`
  const quoted = quotes(said, error)
  if (quoted.length > 0) return quoted
  if (fields.text('name') === 'AbortError') return [{ error, code: 'ABORT_ERR', message }]
  if (message === 'bad port') return [{ error, code: CODELESS, message }]
  return isTimeout(fields, message) ? [{ error, code: TIMEOUT, message }] : []
}

/** Codes of the kernel, of resolvers, of Node, of clients and of portside: ECONNRESET, UND_ERR_SOCKET. */
const CODE = /^(E[A-Z0-9]+|[A-Z][A-Z0-9]*(_[A-Z0-9]+)+)$/

function placeIn(fields: Fields, code: string, message: string): Partial<SocketFailure> {
  const [address, path, hostname] = [fields.text('address'), fields.text('path'), fields.text('hostname')]
  const syscall = fields.text('syscall')
  // For a unix socket Node sets the path as the address, and no port or -1.
  if (address !== undefined && /[/\\]|^\0/.test(address)) return { syscall, path: address }
  // Bun has the URL there, or in the message.
  const url = urlIn(path ?? /^WebSocket connection to '([^']*)' failed/.exec(message)?.[1])
  if (address === undefined && url !== undefined) return { syscall, hostname, ...endOf(url) }
  if (address !== undefined || path !== undefined) {
    return { syscall, address, path, port: portIn(fields.get('port')), local: localIn(message) }
  }
  const [quote] = code === 'UND_ERR_CONNECT_TIMEOUT' ? attempted(message, fields.error) : quotes(message, fields.error)
  if (quote?.code !== code) return { syscall, hostname, port: portIn(fields.get('port')) }
  const port = quote.port ?? portIn(fields.get('port'))
  return {
    ...quote,
    port,
    syscall: syscall ?? quote.syscall,
    hostname,
    quoted: quote.address !== undefined || rustFailure(message) !== undefined,
  }
}

function urlIn(text: string | undefined): URL | undefined {
  return text !== undefined && /^(https?|wss?):/.test(text) && URL.canParse(text) ? new URL(text) : undefined
}

/** A name may stand for several addresses, and Bun does not say which of them failed. */
function endOf({ hostname, port, protocol }: URL): Pick<SocketFailure, 'address' | 'port'> {
  const address = hostname.replace(/^\[|\]$/g, '')
  const named = port === '' ? (/^(https|wss):$/.test(protocol) ? 443 : 80) : Number(port)
  return isIP(address) === 0 ? { port: named } : { address, port: named }
}

/**
 * `connect ECONNREFUSED 127.0.0.1:3000`, `listen EADDRINUSE: address already in use ::1:3000`: Node's message for an error of the
 * kernel (lib/internal/errors.js). Clients that keep no fields often keep the message.
 */
const QUOTE =
  /\b(connect|listen|bind|read|write|send|accept|getaddrinfo|open|socket)[ :]+(E[A-Z][A-Z0-9_]+)\b(?:: [a-z ,]+)?(?: (\[?[0-9a-fA-F:.]*[0-9a-fA-F:]\]?):(\d+))?/g

function quotes(message: string, error: unknown): SocketFailure[] {
  const found = new Map([...message.matchAll(QUOTE)].map((quote) => [quote[0], quote]))
  if (found.size === 0) {
    const rust = rustFailure(message)
    if (rust !== undefined) return [{ error, message, ...rust, quoted: true }]
  }
  return [...found.values()].map(([, syscall, code = '', address, port]) => ({
    error,
    code,
    message,
    syscall,
    address: address?.replace(/^\[|\]$/g, ''),
    port: port === undefined ? undefined : Number(port),
    local: localIn(message),
    quoted: true,
  }))
}

/** `connect EADDRNOTAVAIL 127.0.0.1:3000 - Local (0.0.0.0:0)`: only the message of Node has the local end. */
function localIn(message: string): Endpoint | undefined {
  const [, address, port] = / - Local \((.+):(\d+)\)/.exec(message) ?? []
  return address === undefined || !Number(port) ? undefined : toEndpoint(address, Number(port))
}

/** `Connect Timeout Error (attempted address: 127.0.0.1:3000, timeout: 250ms)`; the first of several. */
function attempted(message: string, error: unknown): SocketFailure[] {
  const [, address, port] = /attempted address(?:es)?: \[?([0-9a-fA-F:.]+?)\]?:(\d+)[, )]/.exec(message) ?? []
  if (address === undefined) return []
  return [{ error, code: 'UND_ERR_CONNECT_TIMEOUT', message, syscall: 'connect', address, port: Number(port) }]
}

/** gRPC has numbers as codes: DEADLINE_EXCEEDED is 4 (https://grpc.io/docs/guides/status-codes/). */
function isTimeout(fields: Fields, message: string): boolean {
  const name = fields.text('name') ?? ''
  if (name === 'TimeoutError' || (fields.get('code') === 4 && fields.text('details') !== undefined)) return true
  // The message of a programming error may contain the name of a variable such as `timeout`.
  if (MISTAKES.has(name) || /\b(invalid|must be|should be|options?)\b/i.test(message)) return false
  return /\btim(e|ed)[ -]?out\b|\bdeadline\b/i.test(message)
}

const MISTAKES: ReadonlySet<string> = new Set([
  'TypeError',
  'ReferenceError',
  'RangeError',
  'SyntaxError',
  'ValidationError',
])

/** A datagram socket keeps the port as it was passed, which is a string if it came from the environment. */
function portIn(value: unknown): number | undefined {
  const port = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  return typeof port === 'number' && Number.isInteger(port) && port >= 0 ? port : undefined
}
