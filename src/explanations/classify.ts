import { type Endpoint, familyOf, WILDCARD } from '../loopback/endpoint.js'
import { ownAddressesOrNone } from '../loopback/own-addresses.js'
import { whyFamilyIsMissing } from '../loopback/probe.js'
import { saysExhaustedAsAbsent, saysTupleTaken } from '../platform/errno.js'
import { excludesPorts } from '../platform/excluded-ports.js'
import { whyCodeIsLost } from '../platform/lost-codes.js'
import { hasOwnConnection } from '../platform/own-connections.js'
import { everyUserMayBind, firstUnprivilegedPort } from '../platform/privileged-ports.js'
import { longestUnixPath } from '../platform/unix-path.js'
import { CODELESS, TIMEOUT } from './code-meaning.js'
import { type FailureKind, kindOfCode } from './failure-kind.js'
import { Fields } from './fields.js'
import { Lookup } from './lookup.js'
import { isAttemptTimeout, isErrno, isOfMock, isOfResolver, raisedBy } from './raised-by.js'
import { isOfMissingFamily, type SocketFailure } from './socket-failure.js'

/** The kind of a failure, and the evidence for it. */
export interface Classification {
  readonly kind: FailureKind
  readonly raisedBy: 'kernel' | 'node' | (string & {})
  /** The facts: fields of the error, its message, the state of this host. */
  readonly evidence: readonly string[]
  /** The kernel's table for this one failure. */
  readonly lookup: Lookup
}

/**
 * Classifies a failure, once: outcomes, explanations and thrown errors need the same answer. It looks only at the error, with one
 * exception: for EADDRNOTAVAIL of a connect from a `localAddress` it reads the kernel's table. An exhausted range and a taken
 * tuple raise the same error.
 */
export function classify(failure: SocketFailure): Classification {
  let known = classified.get(failure)
  if (known === undefined) {
    known = classifyAnew(failure)
    classified.set(failure, known)
  }
  return known
}

const classified = new WeakMap<SocketFailure, Classification>()

function classifyAnew(failure: SocketFailure): Classification {
  const by = raisedBy(failure)
  const lookup = new Lookup()
  const evidence: string[] = []
  const kind = kindOf(failure, { by, lookup, evidence })
  return { kind, raisedBy: by, evidence: [...fieldsOf(failure), ...evidence], lookup }
}

interface Known {
  readonly by: string
  readonly lookup: Lookup
  readonly evidence: string[]
}

/** The fields of the error, as evidence. */
function fieldsOf({ code, syscall, address, port, path, hostname, quoted }: SocketFailure): string[] {
  const named = {
    code: code === CODELESS || code === TIMEOUT ? undefined : code,
    syscall,
    address,
    port,
    path,
    hostname,
  }
  const told = Object.entries(named).filter(([, value]) => value !== undefined)
  return told.length === 0
    ? []
    : [
        (quoted === true ? 'in the message: ' : '') +
          told.map(([name, value]) => `${name} ${String(value).replace(/^\0/, '@')}`).join(', '),
      ]
}

function kindOf(failure: SocketFailure, known: Known): FailureKind {
  const { code, message } = failure
  if (isBlockedPort(failure)) return 'blocked-port'
  if (isOfFile(failure)) {
    known.evidence.push(`${failure.syscall} is not a socket call`)
    return 'not-network'
  }
  if (isOfResolver(failure)) return 'unresolved'
  if (isForeign(failure, known.by)) {
    known.evidence.push('no syscall, and no message of Node about one')
    // A client that gives up may use the kernel's code.
    return isGivingUp(failure, known.by) ? 'given-up-by-library' : 'not-network'
  }
  switch (code) {
    case 'EADDRINUSE':
      return inUse(failure)
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
      return notAvailable(failure, known)
    case 'EACCES':
    case 'EPERM':
      return denied(failure, known)
    case 'EINVAL':
      return invalid(failure, known)
    case 'ENODEV':
      return isMulticast(failure) ? 'multicast' : 'unknown'
    case 'ENETUNREACH':
    case 'EHOSTUNREACH':
      return isMulticast(failure) ? 'multicast' : 'no-route'
    case 'EAGAIN':
      if (failure.syscall !== 'connect') return 'unknown'
      return failure.path === undefined ? 'exhaustion' : 'queue-full'
    case 'ETIMEDOUT':
      return timedOut(failure, known)
    case 'ECONNRESET':
      return failure.syscall === undefined && (known.by === 'node' || known.by === 'bun') ? 'hang-up' : 'reset'
    case 'ECONNABORTED':
      return /\btime-?out\b/i.test(message) ? 'given-up-by-library' : 'aborted'
    case 'UND_ERR_SOCKET':
      return 'hang-up'
    default:
      return kindOfCode(code)
  }
}

/** A kernel code that neither the kernel nor the runtime has raised, or a code of a mock. */
const isForeign = ({ code }: SocketFailure, by: string): boolean =>
  (isErrno(code) && !['kernel', 'node', 'bun'].includes(by)) || isOfMock(code)

/** Calls of Node on files and programs. A missing descriptor counts for any call. */
const isOfFile = ({ code, syscall = '' }: SocketFailure): boolean =>
  code !== 'EMFILE' && code !== 'ENFILE' && FILE_CALL.test(syscall)

const FILE_CALL =
  /^(spawn|spawnSync|kill|uv_cwd|chdir|access|l?chmod|[lf]?chown|copyfile|cp|link|[lf]?stat|statfs|mkdir|mkdtemp|open|opendir|scandir|readlink|realpath|rename|rm|rmdir|symlink|unlink|f?truncate|watch)\b/

function isGivingUp({ code, message }: SocketFailure, by: string): boolean {
  if (code !== 'ETIMEDOUT' && code !== 'ECONNABORTED') return false
  return /\btim(e|ed)[ -]?out\b|\btimeout\b|ETIMEDOUT/i.test(message) && by !== 'unknown'
}

/** `fetch failed` with the cause `bad port`: nothing was sent (https://fetch.spec.whatwg.org/#port-blocking). */
const isBlockedPort = ({ code, message }: SocketFailure): boolean => code === CODELESS && message === 'bad port'

/**
 * EADDRINUSE has two causes. The port distinguishes them: Node sets it only if the caller asked for a port. In a cluster the primary
 * binds for its workers, and the error of a worker has no address (`null`).
 */
function inUse({ syscall, address, port, path, local }: SocketFailure): FailureKind {
  if (path !== undefined) return 'conflict'
  // Windows answers so for a range without a port too. Only a connect from a port of its own can meet another with the same tuple.
  if (syscall === 'connect') return saysTupleTaken() && local?.port ? 'taken-tuple' : 'exhaustion'
  return isBinding(syscall) && address !== undefined && !port ? 'exhaustion' : 'conflict'
}

function notAvailable(failure: SocketFailure, known: Known): FailureKind {
  const { code, syscall, path } = failure
  if (isOfMissingFamily(failure)) {
    known.evidence.push(`${whyFamilyIsMissing(familyOf(failure.address as string))}`)
    return 'absent-family'
  }
  if (isMulticast(failure)) return 'multicast'
  if (code === 'EAFNOSUPPORT') return 'absent-family'
  if (isExhaustedBind(failure, known)) return 'exhaustion'
  if (syscall !== 'connect' || path !== undefined) return 'absent-address'
  return isTakenTuple(failure, known) ? 'taken-tuple' : 'exhaustion'
}

/** EADDRNOTAVAIL of a bind to port 0 of an address that this host has, on macOS and BSD. */
function isExhaustedBind({ syscall, address, port, path }: SocketFailure, { evidence }: Known): boolean {
  if (!isBinding(syscall) || path !== undefined || port || !saysExhaustedAsAbsent()) return false
  const own = address === undefined || address === WILDCARD[familyOf(address)] || ownAddressesOrNone().includes(address)
  if (own) evidence.push(`this host has ${address ?? 'the address'}, and no port was asked for`)
  return own
}

/**
 * EADDRNOTAVAIL of a connect with a local port: the port already has a connection to this peer, open or in TIME_WAIT (ip(7)). A
 * requested port is bound to the wildcard or to a `localAddress`. With a `localAddress` alone the kernel picks the port at the
 * bind, and picks one in TIME_WAIT if no other is left.
 */
function isTakenTuple({ local, address, port }: SocketFailure, { lookup, evidence }: Known): boolean {
  if (local === undefined) return false
  if (local.address === WILDCARD[local.family]) return true
  if (hasOwnConnection(local, { address, port })) {
    evidence.push('this process has a connection with the same two endpoints')
    return true
  }
  const range = lookup.ephemeralPorts('tcp')
  if (range === undefined) return true
  evidence.push(`${range.available} ports of the ephemeral range ${range.first} to ${range.last} are available`)
  return range.available > 0 || local.port < range.first || local.port > range.last
}

function denied(failure: SocketFailure, { evidence }: Known): FailureKind {
  const { port, path, syscall, address } = failure
  if (path !== undefined || failure.code === 'EPERM' || !isBinding(syscall) || !port) return 'forbidden'
  if (excludesPorts()) return 'excluded-range'
  const first = firstUnprivilegedPort()
  if (port >= first || everyUserMayBind(address)) return 'forbidden'
  evidence.push(`ports below ${first} are privileged on this host`)
  return 'privileged-port'
}

function invalid(failure: SocketFailure, { evidence }: Known): FailureKind {
  const { path, address } = failure
  const lost = path === undefined ? whyCodeIsLost('EADDRNOTAVAIL') : undefined
  if (lost !== undefined) evidence.push(lost)
  const longest = longestUnixPath()
  if (path !== undefined && longest !== undefined && Buffer.byteLength(path) > longest) {
    evidence.push(`the path has ${Buffer.byteLength(path)} bytes, and a socket holds ${longest}`)
    return 'path-too-long'
  }
  if (address !== undefined && /^fe[89ab][0-9a-f]:/i.test(address) && !address.includes('%')) {
    evidence.push(`${address} is link-local and has no zone`)
    return 'missing-zone'
  }
  return isMulticast(failure) ? 'multicast' : 'invalid-call'
}

function timedOut(failure: SocketFailure, { by, evidence }: Known): FailureKind {
  if (isAttemptTimeout(failure)) {
    evidence.push('Node raised it when its attempt at this address was over (autoSelectFamilyAttemptTimeout)')
    return 'given-up-by-node'
  }
  return by === 'node' ? 'given-up-by-node' : 'timed-out'
}

const BINDING: ReadonlySet<string | undefined> = new Set(['listen', 'bind'])
export const isBinding = (syscall: string | undefined): boolean => BINDING.has(syscall)

/** Multicast calls of dgram.Socket, and multicast destinations (RFC 5771, RFC 4291 §2.7). */
export function isMulticast({ syscall, address }: SocketFailure): boolean {
  if (syscall !== undefined && /membership|multicast/i.test(syscall)) return true
  return address !== undefined && (/^(22[4-9]|23\d)\.\d+\.\d+\.\d+$/.test(address) || /^ff[0-9a-f]{2}:/i.test(address))
}

/** Node has the same message for a bind of TCP and UDP; only the stack shows which it was. Undefined without a stack. */
export function protocolOf({ syscall, error, message }: SocketFailure): 'tcp' | 'udp' | undefined {
  if (syscall === 'send' || syscall === 'recvmsg') return 'udp'
  const fields = new Fields(error as object)
  const stack = fields.text('stack') ?? ''
  if (stack.includes('node:dgram') || /UDP/.test(message)) return 'udp'
  return syscall === 'bind' && !stack.includes('node:net') ? undefined : 'tcp'
}

/** The endpoint of a failure, if the error has both an address and a port. */
export function endpointOf({ address, port }: SocketFailure): Pick<Endpoint, 'address' | 'port'> | undefined {
  return address === undefined || !port ? undefined : { address, port }
}
