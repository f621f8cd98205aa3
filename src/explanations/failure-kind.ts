/**
 * The kind of a failure, independent of its code, system and client.
 * @see `docs/errors.md#kinds`
 * @experimental
 */
export type FailureKind =
  /** Another socket has the address, the port or the path. */
  | 'conflict'
  /** The ephemeral range has no port left. */
  | 'exhaustion'
  /** A connection with the same two endpoints is open, or in TIME_WAIT. */
  | 'taken-tuple'
  | 'absent-address'
  | 'absent-family'
  | 'privileged-port'
  /** Windows keeps the port for another service. */
  | 'excluded-range'
  /** A route, a firewall, the mode of a file, or the permission model of Node forbids it. */
  | 'forbidden'
  | 'refused'
  /** The kernel gave the client the port that it connects to. */
  | 'met-itself'
  | 'reset'
  /** Node or undici saw the connection close before the answer. */
  | 'hang-up'
  | 'broken-pipe'
  /** The kernel gave up, after minutes. */
  | 'timed-out'
  | 'given-up-by-node'
  | 'given-up-by-library'
  | 'no-route'
  | 'missing-zone'
  /** A multicast group has no interface or route. */
  | 'multicast'
  | 'invalid-call'
  | 'path-too-long'
  | 'wrong-path'
  /** The accept queue of a unix listener is full. */
  | 'queue-full'
  | 'out-of-descriptors'
  | 'out-of-memory'
  | 'unresolved'
  /** fetch does not connect to this port. */
  | 'blocked-port'
  /** The other end of an HTTP/2 session accepts no more streams. */
  | 'goaway'
  | 'untrusted'
  | 'other-protocol'
  | 'aborted'
  | 'wrong-argument'
  /** The call does not fit what the socket, server or stream has done before. */
  | 'wrong-state'
  /** Something other than the kernel or Node raised it: a mock, a library, another kind of error. */
  | 'not-network'
  | 'unknown'

/** The codes with one meaning. `classify.ts` distinguishes the causes of the others. */
const CODES: Readonly<Partial<Record<FailureKind, readonly string[]>>> = {
  refused: ['ECONNREFUSED'],
  forbidden: ['ERR_ACCESS_DENIED'],
  'met-itself': ['ERR_PORTSIDE_SELF_CONNECT'],
  reset: ['ECONNRESET', 'ENETRESET'],
  'broken-pipe': ['EPIPE'],
  'given-up-by-node': ['ERR_SOCKET_CONNECTION_TIMEOUT', 'ERR_TLS_HANDSHAKE_TIMEOUT', 'ERR_HTTP_REQUEST_TIMEOUT'],
  'given-up-by-library': [
    'TIMEOUT',
    'ESOCKETTIMEDOUT',
    'ERR_PORTSIDE_CONNECT_TIMEOUT',
    'UND_ERR_CONNECT_TIMEOUT',
    'UND_ERR_HEADERS_TIMEOUT',
    'UND_ERR_BODY_TIMEOUT',
  ],
  'no-route': ['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN'],
  'path-too-long': ['ENAMETOOLONG'],
  'wrong-path': ['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'EROFS', 'ENOSPC', 'EPROTOTYPE'],
  'out-of-descriptors': ['EMFILE', 'ENFILE'],
  'out-of-memory': ['ENOBUFS', 'ENOMEM'],
  unresolved: ['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'ENODATA', 'ESERVFAIL', 'ETIMEOUT'],
  goaway: ['ERR_HTTP2_GOAWAY_SESSION'],
  untrusted: [
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'CERT_HAS_EXPIRED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
  ],
  'other-protocol': ['EPROTO'],
  aborted: ['ABORT_ERR', 'ERR_CANCELED', 'ECANCELED', 'UND_ERR_ABORTED'],
  'wrong-argument': [
    'ERR_SOCKET_BAD_PORT',
    'ERR_SOCKET_BAD_TYPE',
    'ERR_INVALID_ARG_TYPE',
    'ERR_INVALID_ARG_VALUE',
    'ERR_SSL_KEY_VALUES_MISMATCH',
    'ERR_OUT_OF_RANGE',
    'ERR_INVALID_IP_ADDRESS',
    'ERR_INVALID_FD_TYPE',
    'ERR_INVALID_ADDRESS_FAMILY',
    'UND_ERR_INVALID_ARG',
    'ERR_PORTSIDE_UNKNOWN_OPTION',
  ],
  'wrong-state': [
    'EALREADY',
    'EISCONN',
    'ENOTCONN',
    'EDESTADDRREQ',
    'ESHUTDOWN',
    'EBADF',
    'ENOTSOCK',
    'ERR_SERVER_ALREADY_LISTEN',
    'ERR_SERVER_NOT_RUNNING',
    'ERR_SOCKET_CLOSED',
    'ERR_SOCKET_CLOSED_BEFORE_CONNECTION',
    'ERR_SOCKET_ALREADY_BOUND',
    'ERR_SOCKET_DGRAM_NOT_RUNNING',
    'ERR_SOCKET_DGRAM_IS_CONNECTED',
    'ERR_SOCKET_DGRAM_NOT_CONNECTED',
    'ERR_STREAM_DESTROYED',
    'ERR_STREAM_PREMATURE_CLOSE',
    'ERR_STREAM_WRITE_AFTER_END',
    'UND_ERR_CLOSED',
    'UND_ERR_DESTROYED',
  ],
}

const KIND_OF = new Map(
  Object.entries(CODES).flatMap(([kind, codes]) => codes.map((code) => [code, kind as FailureKind] as const)),
)

/** The kind of a code with one meaning. */
export function kindOfCode(code: string): FailureKind {
  const known = KIND_OF.get(code)
  if (known !== undefined) return known
  if (/^ERR_SSL_\w+_ALERT_\w*(CERTIFICATE|UNKNOWN_CA)/.test(code)) return 'untrusted'
  if (code.startsWith('ERR_HTTP2_INVALID_')) return 'wrong-argument'
  return /^(ERR_SSL_|HPE_)/.test(code) && code !== 'HPE_HEADER_OVERFLOW' ? 'other-protocol' : 'unknown'
}
