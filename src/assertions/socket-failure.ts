import { whyFamilyIsMissing } from '../loopback/probe.js'

/** One failure of the kernel or of Node, dug out of whatever a client has wrapped around it. */
export interface SocketFailure {
  /** The error that says it. */
  readonly error: unknown
  /** The code; `TIMEOUT` where a client gave up waiting and has no code for it. */
  readonly code: string
  readonly message: string
  readonly syscall?: string | undefined
  readonly address?: string | undefined
  readonly port?: number | undefined
  /** Of a unix socket. */
  readonly path?: string | undefined
  /** The name that did not resolve. */
  readonly hostname?: string | undefined
}

/** What a client that gave up waiting says without a code. */
export const TIMEOUT = 'TIMEOUT'

/**
 * The failures in an error, one for each address that was tried: those inside `errors` and `cause` before what is around
 * them, and where nothing has a code, what the text quotes of the kernel. Empty where there is none.
 *
 * An attempt at a family that this host lacks was none, as long as there was another one.
 */
export function failuresIn(error: unknown): SocketFailure[] {
  const failures = collect(error, new Set())
  if (failures.length < 2) return failures
  const real = failures.filter((failure) => !isOfMissingFamily(failure))
  return real.length > 0 ? real : failures
}

/** An address of a family that this host lacks altogether; that is no exhaustion of anything. */
export function isOfMissingFamily({ code, address }: SocketFailure): boolean {
  return (
    (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') &&
    address?.includes(':') === true &&
    whyFamilyIsMissing('IPv6') !== undefined
  )
}

/** Where a failure was, as far as it says. */
export function placeOf({ address, port, path }: SocketFailure): string | undefined {
  if (path !== undefined) return path.replace(/^\0/, '@')
  if (address === undefined) return undefined
  const host = address.includes(':') ? `[${address}]` : address
  return port === undefined ? host : `${host}:${port}`
}

/** Classes differ between realms and builds, so an error is told by what it has. */
export function isErrorLike(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && typeof (value as { message?: unknown }).message === 'string'
}

interface Fields {
  readonly code?: unknown
  readonly message?: unknown
  readonly name?: unknown
  readonly errors?: unknown
  readonly cause?: unknown
  /** Where other libraries put the error behind theirs: a gRPC status, ioredis, the callback API of mysql2. */
  readonly details?: unknown
  readonly lastError?: unknown
  readonly previousErrors?: unknown
}

function collect(error: unknown, seen: Set<unknown>): SocketFailure[] {
  // A `cause` may lead back to where it came from.
  if (typeof error !== 'object' || error === null || seen.has(error)) return []
  seen.add(error)
  const { errors, cause, lastError } = error as Fields
  for (const inner of [errors, cause, lastError]) {
    const found = Array.isArray(inner) ? inner.flatMap((each) => collect(each, seen)) : collect(inner, seen)
    if (found.length > 0) return found
  }
  return own(error as Fields)
}

function own(error: Fields): SocketFailure[] {
  const { code, details } = error
  const message = String(error.message ?? '')
  if (typeof code === 'string' && CODE.test(code)) return [{ error, code, message, ...fieldsOf(error, code, message) }]
  // gRPC says the same in both.
  const said = typeof details === 'string' && !message.includes(details) ? `${message} ${details}` : message
  const quoted = quotes(said, error)
  if (quoted.length > 0) return quoted
  return isTimeout(error, message) ? [{ error, code: TIMEOUT, message }] : []
}

/** Codes of the kernel, of resolvers, of Node, of undici and of portside. */
const CODE = /^(E[A-Z0-9_]+|UND_ERR_[A-Z_]+|ABORT_ERR)$/

function fieldsOf(error: Fields, code: string, message: string): Partial<SocketFailure> {
  const { syscall, address, port, path, hostname } = error as Record<string, unknown>
  const said = { syscall: text(syscall), address: text(address), port: integer(port), path: text(path) }
  // Of a unix socket Node gives the path as the address, and no port or -1.
  if (said.address !== undefined && /[/\\]|^\0/.test(said.address)) {
    Object.assign(said, { address: undefined, port: undefined, path: said.address })
  }
  const [quote] = said.address === undefined && said.path === undefined ? quotes(message, error) : []
  if (quote?.code !== code) return { ...said, hostname: text(hostname) }
  return { ...quote, ...defined(said), hostname: text(hostname) }
}

/**
 * `connect ECONNREFUSED 127.0.0.1:3000`, `listen EADDRINUSE: address already in use ::1:3000`: how Node words what the
 * kernel said (lib/internal/errors.js). Clients that keep no fields often keep the words.
 */
const QUOTE =
  /\b(connect|listen|bind|read|write|send|accept|getaddrinfo|open|socket)[ :]+(E[A-Z][A-Z0-9_]+)\b(?:: [a-z ,]+)?(?: (\[?[0-9a-fA-F:.]*[0-9a-fA-F:]\]?):(\d+))?/g

function quotes(message: string, error: unknown): SocketFailure[] {
  const found = new Map([...message.matchAll(QUOTE)].map((quote) => [quote[0], quote]))
  return [...found.values()].map(([, syscall, code = '', address, port]) => ({
    error,
    code,
    message,
    syscall,
    address: address?.replace(/^\[|\]$/g, ''),
    port: port === undefined ? undefined : Number(port),
  }))
}

/** gRPC has numbers for codes, DEADLINE_EXCEEDED is 4 (https://grpc.io/docs/guides/status-codes/); a DOMException, too. */
function isTimeout({ name, code, details }: Fields, message: string): boolean {
  if (name === 'TimeoutError' || (code === 4 && typeof details === 'string')) return true
  return /\btim(e|ed)[ -]?out\b|\bdeadline\b/i.test(message)
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)
const integer = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined
const defined = (fields: object): object =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
