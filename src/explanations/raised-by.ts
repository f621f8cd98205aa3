import { getSystemErrorMap } from 'node:util'
import { fileOf } from '../caller.js'
import { CODELESS, TIMEOUT } from './code-meaning.js'
import { meaningOf } from './codes.js'
import { Fields } from './fields.js'
import type { SocketFailure } from './socket-failure.js'

/**
 * Returns what raised a failure: `kernel`, `node`, `bun`, a package, or `unknown`. An error of the kernel has the name of the system
 * call in `syscall` (https://nodejs.org/api/errors.html#class-systemerror), or quotes Node's message for one. A kernel code
 * without either comes from a mock or a library.
 */
export function raisedBy(failure: SocketFailure): 'kernel' | 'node' | (string & {}) {
  const { code, syscall, quoted, message } = failure
  const fields = new Fields(failure.error as object)
  if (code === TIMEOUT || code === CODELESS) return packageIn(fields) ?? (isOfNode(fields) ? 'node' : 'unknown')
  if (code.startsWith('ERR_PORTSIDE_')) return 'portside'
  if (isOfResolver(failure)) return 'node'
  if (!isErrno(code)) return ofLibrary(code) ?? (meaningOf(code) === undefined ? ofUnknown(fields) : 'node')
  if (fields.get('headline') !== undefined) return syscall === undefined ? 'portside' : 'kernel'
  if (NODE_SAYS.test(message) && syscall === undefined) return 'node'
  if (isOfBun(failure)) return 'bun'
  if (syscall !== undefined && isAttemptTimeout(failure)) return 'node'
  if (quoted === true) return 'kernel'
  const by = packageIn(fields)
  if (syscall !== undefined) return by === undefined || typeof fields.get('errno') === 'number' ? 'kernel' : by
  return by ?? BY_NAME[fields.text('name') ?? ''] ?? 'unknown'
}

/** Node gives up on one address of several after `autoSelectFamilyAttemptTimeout`, with the kernel's code (lib/net.js). */
export function isAttemptTimeout({ code, error }: SocketFailure): boolean {
  return code === 'ETIMEDOUT' && /\binternalConnectMultipleTimeout\b/.test(stackOf(new Fields(error as object)))
}

/**
 * `fetch` and `WebSocket` of Bun keep neither the system call nor the address of a failed connection, but their URL. `fetch` has the same
 * error for a reset and a close before the answer.
 */
export const isOfBun = ({ syscall, message }: SocketFailure): boolean => syscall === undefined && BUN_SAYS.test(message)

const BUN_SAYS =
  /^E[A-Z]+: (Unable to connect\. Is the computer able to access the url|The socket connection was closed unexpectedly)|^WebSocket connection to '[^']*' failed: Failed to connect$/

export const isErrno = (code: string): boolean => {
  errnos ??= new Set(Array.from(getSystemErrorMap().values(), ([name]) => name).filter((name) => !/^EAI_/.test(name)))
  return errnos.has(code)
}
let errnos: ReadonlySet<string> | undefined

/** Messages of Node with a kernel code and no system call: lib/_http_client.js, _http_incoming.js, _tls_wrap.js, net.js. */
const NODE_SAYS =
  /^(socket hang up|aborted|Client network socket disconnected|This socket has been ended by the other party)/

const BY_NAME: Readonly<Record<string, string>> = { NetConnectNotAllowedError: 'nock', AxiosError: 'axios' }

/** A query to a name server by c-ares, which has its own ECONNREFUSED and ETIMEOUT (dns.resolve*() of Node). */
export const isOfResolver = ({ syscall = '' }: SocketFailure): boolean => /^(query[A-Z]|getHostBy)/.test(syscall)

/** nock and the MockAgent of undici raise these if no interceptor matches. */
export const isOfMock = (code: string): boolean => /^(ERR_NOCK_|UND_MOCK_)/.test(code)

/** For a code that portside does not know, only the error itself shows its origin. */
const ofUnknown = (fields: Fields): string =>
  BY_NAME[fields.text('name') ?? ''] ?? packageIn(fields) ?? (isOfNode(fields) ? 'node' : 'unknown')

function ofLibrary(code: string): string | undefined {
  if (code.startsWith('UND_')) return 'undici'
  if (code.startsWith('ERR_NOCK_')) return 'nock'
  return { ERR_CANCELED: 'axios', PROTOCOL_CONNECTION_LOST: 'mysql2', ESOCKETTIMEDOUT: 'request' }[code]
}

/** The package that created the error: the one in the first frame of its stack. */
function packageIn(fields: Fields): string | undefined {
  const [, first] = /\n(\s+at [^\n]+)/.exec(stackOf(fields)) ?? []
  const file = first === undefined ? undefined : fileOf(first)
  return /.*[/\\]node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\]+)/.exec(file ?? '')?.[1]?.replace('\\', '/')
}

const isOfNode = (fields: Fields): boolean =>
  fields.text('name') === 'TimeoutError' ||
  /\n\s+at [^\n]*\(?(?:node|ext):/.test(stackOf(fields).split('\n', 2).join('\n'))

const stackOf = (fields: Fields): string => fields.text('stack') ?? ''
