import { classify } from '../explanations/classify.js'
import type { FailureKind } from '../explanations/failure-kind.js'
import type { SocketFailure } from '../explanations/socket-failure.js'
import { type AssertOutcome, assertionOf, type Outcome } from './outcome.js'

const is =
  (...kinds: readonly FailureKind[]) =>
  (failure: SocketFailure): boolean =>
    kinds.includes(classify(failure).kind)

const has =
  (codes: readonly string[], ...kinds: readonly FailureKind[]) =>
  (failure: SocketFailure): boolean =>
    codes.includes(failure.code) && is(...kinds)(failure)

/**
 * The answers of the kernel that a test may ask for. Each has an assertion below, and by its name a matcher: `toBe` and the key.
 */
export const OUTCOMES = {
  AddressInUse: {
    name: 'an address in use (EADDRINUSE)',
    phase: 'bind',
    is: is('conflict'),
    next: 'occupy the address for the test: occupiedEndpoint(), or a server that listens',
  },
  ConnectionRefused: {
    name: 'a refused connection (ECONNREFUSED)',
    phase: 'connect',
    is: is('refused'),
    next: 'dial an endpoint that refuses for certain: refusedEndpoint()',
  },
  ConnectionReset: {
    name: 'a reset connection (ECONNRESET)',
    phase: 'connection',
    is: has(['ECONNRESET'], 'reset', 'hang-up'),
    next: 'let the peer reset: resettingEndpoint(), or socket.resetAndDestroy() at its side',
  },
  ConnectionTimedOut: {
    name: 'a timeout (ETIMEDOUT, or that of the client)',
    phase: 'connection',
    is: is('timed-out', 'given-up-by-node', 'given-up-by-library'),
    next: 'dial an endpoint that does not answer: unresponsiveEndpoint(), or stalledEndpoint() for a timeout after the connect',
  },
  AddressNotAvailable: {
    name: 'an address that this host lacks (EADDRNOTAVAIL)',
    phase: 'bind',
    is: has(['EADDRNOTAVAIL'], 'absent-address', 'absent-family', 'taken-tuple', 'multicast'),
    next: 'use an address that this host lacks: unassignedEndpoint()',
  },
  PermissionDenied: {
    name: 'a denied permission (EACCES, EPERM)',
    phase: 'bind',
    is: has(['EACCES', 'EPERM'], 'privileged-port', 'excluded-range', 'forbidden'),
    next: 'use a port that this process may not bind: privilegedEndpoint()',
  },
  BrokenPipe: {
    name: 'a broken pipe (EPIPE)',
    phase: 'connection',
    is: is('broken-pipe'),
    next: 'write twice after the peer has closed: the peer answers the first write with a reset, and the second fails with EPIPE',
  },
  HostUnreachable: {
    name: 'an unreachable host (EHOSTUNREACH)',
    phase: 'connect',
    is: has(['EHOSTUNREACH'], 'no-route', 'multicast'),
    next: 'add such a route in a private network: ip route add unreachable ADDRESS',
  },
  NetworkUnreachable: {
    name: 'an unreachable network (ENETUNREACH)',
    phase: 'connect',
    is: has(['ENETUNREACH'], 'no-route', 'multicast'),
    next: 'run the test in a private network without a default route',
  },
  TooManyOpenFiles: {
    name: 'no descriptor left (EMFILE, ENFILE)',
    phase: 'bind',
    is: is('out-of-descriptors'),
    next: 'lower the limit of the process under test (ulimit -n), and open more than that',
  },
  EphemeralPortsExhausted: {
    name: 'an exhausted ephemeral range (EADDRNOTAVAIL of a connect, EADDRINUSE of a bind to port 0)',
    phase: 'bind',
    is: is('exhaustion'),
    next: 'exhaust the range first, in a private network with a small range (net.ipv4.ip_local_port_range)',
  },
} as const satisfies Record<string, Outcome>

/**
 * Asserts that the action fails because another socket has the address: EADDRINUSE of a bind to a port, or to a path (bind(2)).
 * An exhausted range fails with the same code and without a port: that is `assertEphemeralPortsExhausted()`.
 */
export const assertAddressInUse: AssertOutcome = assertionOf('assertAddressInUse', OUTCOMES.AddressInUse)

/** Asserts that the action fails because nothing listens there: ECONNREFUSED at each address that was tried (connect(2)). */
export const assertConnectionRefused: AssertOutcome = assertionOf('assertConnectionRefused', OUTCOMES.ConnectionRefused)

/**
 * Asserts that the action fails because the other end cut the connection: ECONNRESET (tcp(7)). Node gives the same code to a
 * request whose connection ends before the answer ('socket hang up'), which passes: only its message tells the two apart.
 */
export const assertConnectionReset: AssertOutcome = assertionOf('assertConnectionReset', OUTCOMES.ConnectionReset)

/**
 * Asserts that the action fails because no answer came in time: ETIMEDOUT of the kernel, or the timeout of Node or of the
 * client in whichever form it has (UND_ERR_CONNECT_TIMEOUT, a TimeoutError, axios' ECONNABORTED, gRPC's DEADLINE_EXCEEDED). Of
 * a socket or a request that is its own event 'timeout'.
 */
export const assertConnectionTimedOut: AssertOutcome = assertionOf(
  'assertConnectionTimedOut',
  OUTCOMES.ConnectionTimedOut,
)

/**
 * Asserts that the action fails because this host lacks the address, or its whole family: EADDRNOTAVAIL of a listen, of a
 * `localAddress`, of a connect without IPv6 (bind(2)). A connect that finds no ephemeral port left fails with the same code:
 * that is `assertEphemeralPortsExhausted()`.
 */
export const assertAddressNotAvailable: AssertOutcome = assertionOf(
  'assertAddressNotAvailable',
  OUTCOMES.AddressNotAvailable,
)

/**
 * Asserts that the action fails because this host forbids it: EACCES for a privileged port (ip(7)), a prohibited route or the
 * mode of a socket's file, EPERM for a firewall. It is policy and not another socket, which is what tells it from
 * `assertAddressInUse()`.
 */
export const assertPermissionDenied: AssertOutcome = assertionOf('assertPermissionDenied', OUTCOMES.PermissionDenied)

/**
 * Asserts that the action fails because it wrote to a connection that was gone: EPIPE (send(2)). The first write after the
 * other end has closed is taken, and answered by a reset; the next one finds the pipe broken.
 */
export const assertBrokenPipe: AssertOutcome = assertionOf('assertBrokenPipe', OUTCOMES.BrokenPipe)

/** Asserts that the action fails because no way leads to the host: EHOSTUNREACH, from a route or a router (ip(7), icmp(7)). */
export const assertHostUnreachable: AssertOutcome = assertionOf('assertHostUnreachable', OUTCOMES.HostUnreachable)

/** Asserts that the action fails because this host knows no route to the network: ENETUNREACH (connect(2)). */
export const assertNetworkUnreachable: AssertOutcome = assertionOf(
  'assertNetworkUnreachable',
  OUTCOMES.NetworkUnreachable,
)

/** Asserts that the action fails because no descriptor is left: EMFILE of this process, ENFILE of the host (socket(2)). */
export const assertTooManyOpenFiles: AssertOutcome = assertionOf('assertTooManyOpenFiles', OUTCOMES.TooManyOpenFiles)

/**
 * Asserts that the action fails because the kernel has no ephemeral port left (ip(7), ip_local_port_range): EADDRNOTAVAIL of
 * a connect, EADDRINUSE of a connect from a `localAddress`, EADDRINUSE without a port of a bind to port 0. The same codes with
 * a port, or of a `localAddress` that is not there, are a conflict and a missing address, and fail.
 */
export const assertEphemeralPortsExhausted: AssertOutcome = assertionOf(
  'assertEphemeralPortsExhausted',
  OUTCOMES.EphemeralPortsExhausted,
)
