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

/** The outcomes that a test can expect. Each has an assertion below and a matcher named `toBe` and the key. */
export const OUTCOMES = {
  AddressInUse: {
    name: 'an address in use (EADDRINUSE)',
    phase: 'bind',
    // A connect whose tuple exists fails with EADDRINUSE on macOS and Windows, and with EADDRNOTAVAIL on Linux.
    is: (failure) => is('conflict')(failure) || has(['EADDRINUSE'], 'taken-tuple')(failure),
    next: 'occupy the address for the test: occupiedEndpoint(), or a server that listens',
  },
  ConnectionRefused: {
    name: 'a refused connection (ECONNREFUSED)',
    phase: 'connect',
    is: is('refused'),
    next: 'connect to an endpoint that always refuses: refusedEndpoint()',
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
    next: 'connect to an endpoint that does not answer: unresponsiveEndpoint(), or stalledEndpoint() for a timeout after the connect',
  },
  AddressNotAvailable: {
    name: 'an address that this host lacks (EADDRNOTAVAIL)',
    phase: 'bind',
    is: has(['EADDRNOTAVAIL'], 'absent-address', 'absent-family', 'taken-tuple', 'multicast'),
    lost: 'EADDRNOTAVAIL',
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
    lost: 'EADDRNOTAVAIL',
    next: 'exhaust the range first, in a private network with a small range: exhaustEphemeralPorts()',
  },
} as const satisfies Record<string, Outcome>

/**
 * Asserts that an action fails because another socket has the address, and resolves to the error as it was thrown.
 *
 * The kernel refuses to bind a port or path that another socket has: EADDRINUSE (bind(2)). An exhausted ephemeral range fails
 * with the same code and without a port: `assertEphemeralPortsExhausted()` checks for that. If the action succeeds, what it
 * opened is closed.
 *
 * @throws ERR_PORTSIDE_ASSERTION if the action succeeds, fails in another way or elsewhere, or does not end in time
 * @throws ABORT_ERR if `signal` is aborted
 * @throws ERR_INVALID_ARG_TYPE if `expected` or an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if `expected` has a host without an address, or an unknown family
 * @throws ERR_OUT_OF_RANGE if `timeout` is not from 1 to 2147483647
 * @throws ERR_SOCKET_BAD_PORT if the port of `expected` is not an integer from 0 to 65535
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option or a field of `expected` is unknown
 * @example
 * ```ts
 * import net from 'node:net'
 * import { assertAddressInUse, occupiedEndpoint } from 'portside'
 *
 * await using endpoint = await occupiedEndpoint()
 * const server = net.createServer().listen(endpoint.port, endpoint.address)
 * await assertAddressInUse(server, endpoint)
 * ```
 * @see `docs/assertions.md#assertions`
 */
export const assertAddressInUse: AssertOutcome = assertionOf('assertAddressInUse', OUTCOMES.AddressInUse)

/**
 * Asserts that an action fails because nothing listens there, and resolves to the error as it was thrown.
 *
 * The kernel answers with ECONNREFUSED (connect(2)). If several addresses were tried, each must refuse. If the action succeeds,
 * what it opened is closed.
 *
 * @throws ERR_PORTSIDE_ASSERTION if the action succeeds, fails in another way or elsewhere, or does not end in time
 * @throws ABORT_ERR if `signal` is aborted
 * @throws ERR_INVALID_ARG_TYPE if `expected` or an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if `expected` has a host without an address, or an unknown family
 * @throws ERR_OUT_OF_RANGE if `timeout` is not from 1 to 2147483647
 * @throws ERR_SOCKET_BAD_PORT if the port of `expected` is not an integer from 0 to 65535
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option or a field of `expected` is unknown
 * @example
 * ```ts
 * import { assertConnectionRefused, formatEndpoint, refusedEndpoint } from 'portside'
 *
 * await using endpoint = await refusedEndpoint()
 * await assertConnectionRefused(fetch(`http://${formatEndpoint(endpoint)}`), endpoint)
 * ```
 * @see `docs/assertions.md#assertions`
 */
export const assertConnectionRefused: AssertOutcome = assertionOf('assertConnectionRefused', OUTCOMES.ConnectionRefused)

/**
 * Asserts that an action fails because the other end cut the connection, and resolves to the error as it was thrown.
 *
 * The kernel reports a reset as ECONNRESET (tcp(7)). Node uses the same code for a request whose connection closes before the
 * answer ('socket hang up'): this passes too. If the action succeeds, what it opened is closed.
 *
 * @throws ERR_PORTSIDE_ASSERTION if the action succeeds, fails in another way or elsewhere, or does not end in time
 * @throws ABORT_ERR if `signal` is aborted
 * @throws ERR_INVALID_ARG_TYPE if `expected` or an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if `expected` has a host without an address, or an unknown family
 * @throws ERR_OUT_OF_RANGE if `timeout` is not from 1 to 2147483647
 * @throws ERR_SOCKET_BAD_PORT if the port of `expected` is not an integer from 0 to 65535
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option or a field of `expected` is unknown
 * @example
 * ```ts
 * import net from 'node:net'
 * import { assertConnectionReset, resettingEndpoint } from 'portside'
 *
 * await using endpoint = await resettingEndpoint()
 * await assertConnectionReset(net.connect(endpoint.port, endpoint.address))
 * ```
 * @see `docs/assertions.md#what-is-a-reset`
 */
export const assertConnectionReset: AssertOutcome = assertionOf('assertConnectionReset', OUTCOMES.ConnectionReset)

/**
 * Asserts that an action fails because no answer came in time, and resolves to the error as it was thrown.
 *
 * A timeout of the kernel, of Node or of a client passes. These are ETIMEDOUT, UND_ERR_CONNECT_TIMEOUT, a TimeoutError,
 * ECONNABORTED of axios, DEADLINE_EXCEEDED of gRPC, and the event 'timeout' of a socket or request. If the action succeeds,
 * portside closes the connection that it opened.
 *
 * @throws ERR_PORTSIDE_ASSERTION if the action succeeds, fails in another way or elsewhere, or does not end in time
 * @throws ABORT_ERR if `signal` is aborted
 * @throws ERR_INVALID_ARG_TYPE if `expected` or an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if `expected` has a host without an address, or an unknown family
 * @throws ERR_OUT_OF_RANGE if `timeout` is not from 1 to 2147483647
 * @throws ERR_SOCKET_BAD_PORT if the port of `expected` is not an integer from 0 to 65535
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option or a field of `expected` is unknown
 * @example
 * ```ts
 * import { assertConnectionTimedOut, formatEndpoint, stalledEndpoint } from 'portside'
 *
 * await using endpoint = await stalledEndpoint()
 * const signal = AbortSignal.timeout(50)
 * await assertConnectionTimedOut(() => fetch(`http://${formatEndpoint(endpoint)}`, { signal }))
 * ```
 * @see `docs/assertions.md#what-is-a-timeout`
 */
export const assertConnectionTimedOut: AssertOutcome = assertionOf(
  'assertConnectionTimedOut',
  OUTCOMES.ConnectionTimedOut,
)

/**
 * Asserts that an action fails because this host lacks the address or its whole family, and resolves to the error as it was
 * thrown.
 *
 * The kernel answers with EADDRNOTAVAIL to a listen, to a `localAddress`, and to a connect without IPv6 (bind(2)). A connect
 * without a free ephemeral port fails with the same code: `assertEphemeralPortsExhausted()` checks for that. If the action
 * succeeds, what it opened is closed.
 *
 * @throws ERR_PORTSIDE_ASSERTION if the action succeeds, fails in another way or elsewhere, or does not end in time
 * @throws ABORT_ERR if `signal` is aborted
 * @throws ERR_INVALID_ARG_TYPE if `expected` or an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if `expected` has a host without an address, or an unknown family
 * @throws ERR_OUT_OF_RANGE if `timeout` is not from 1 to 2147483647
 * @throws ERR_SOCKET_BAD_PORT if the port of `expected` is not an integer from 0 to 65535
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option or a field of `expected` is unknown
 * @example
 * ```ts
 * import net from 'node:net'
 * import { assertAddressNotAvailable, unassignedEndpoint } from 'portside'
 *
 * await using endpoint = await unassignedEndpoint()
 * await assertAddressNotAvailable(net.createServer().listen(0, endpoint.address))
 * ```
 * @see `docs/assertions.md#what-eaddrinuse-and-eaddrnotavail-mean`
 */
export const assertAddressNotAvailable: AssertOutcome = assertionOf(
  'assertAddressNotAvailable',
  OUTCOMES.AddressNotAvailable,
)

/**
 * Asserts that an action fails because this host forbids it, and resolves to the error as it was thrown.
 *
 * The kernel answers with EACCES for a privileged port (ip(7)), a prohibited route or the mode of a socket's file, and with
 * EPERM for a firewall. If the action succeeds, what it opened is closed. `privilegedEndpoint()` gives a port that this process
 * may not bind.
 *
 * @throws ERR_PORTSIDE_ASSERTION if the action succeeds, fails in another way or elsewhere, or does not end in time
 * @throws ABORT_ERR if `signal` is aborted
 * @throws ERR_INVALID_ARG_TYPE if `expected` or an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if `expected` has a host without an address, or an unknown family
 * @throws ERR_OUT_OF_RANGE if `timeout` is not from 1 to 2147483647
 * @throws ERR_SOCKET_BAD_PORT if the port of `expected` is not an integer from 0 to 65535
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option or a field of `expected` is unknown
 * @example
 * ```ts
 * import { assertPermissionDenied } from 'portside'
 *
 * const error = new Error('listen EACCES: permission denied 127.0.0.1:80')
 * Object.assign(error, { code: 'EACCES', syscall: 'listen', address: '127.0.0.1', port: 80 })
 * await assertPermissionDenied(error, { port: 80 })
 * ```
 * @see `docs/assertions.md#assertions`
 */
export const assertPermissionDenied: AssertOutcome = assertionOf('assertPermissionDenied', OUTCOMES.PermissionDenied)

/**
 * Asserts that an action fails because it wrote to a connection that was gone, and resolves to the error as it was thrown.
 *
 * After the other end has closed, the kernel accepts one write, which the peer answers with a reset. The next write fails with
 * EPIPE (send(2)). If the action succeeds, what it opened is closed.
 *
 * @throws ERR_PORTSIDE_ASSERTION if the action succeeds, fails in another way or elsewhere, or does not end in time
 * @throws ABORT_ERR if `signal` is aborted
 * @throws ERR_INVALID_ARG_TYPE if `expected` or an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if `expected` has a host without an address, or an unknown family
 * @throws ERR_OUT_OF_RANGE if `timeout` is not from 1 to 2147483647
 * @throws ERR_SOCKET_BAD_PORT if the port of `expected` is not an integer from 0 to 65535
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option or a field of `expected` is unknown
 * @example
 * ```ts
 * import { assertBrokenPipe, listenTcp } from 'portside'
 *
 * await using server = await listenTcp((socket) => void socket.destroy())
 * const client = await server.connect({ allowHalfOpen: true })
 * const writeOn = (error?: Error | null): void => void (error || client.write('late', writeOn))
 * client.once('end', () => writeOn())
 * await assertBrokenPipe(client)
 * ```
 * @see `docs/assertions.md#a-late-write`
 */
export const assertBrokenPipe: AssertOutcome = assertionOf('assertBrokenPipe', OUTCOMES.BrokenPipe)

/**
 * Asserts that an action fails because no route leads to the host, and resolves to the error as it was thrown.
 *
 * A route or a router answers with EHOSTUNREACH (ip(7), icmp(7)). A private network can have such a route. If the action
 * succeeds, what it opened is closed.
 *
 * @throws ERR_PORTSIDE_ASSERTION if the action succeeds, fails in another way or elsewhere, or does not end in time
 * @throws ABORT_ERR if `signal` is aborted
 * @throws ERR_INVALID_ARG_TYPE if `expected` or an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if `expected` has a host without an address, or an unknown family
 * @throws ERR_OUT_OF_RANGE if `timeout` is not from 1 to 2147483647
 * @throws ERR_SOCKET_BAD_PORT if the port of `expected` is not an integer from 0 to 65535
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option or a field of `expected` is unknown
 * @example
 * ```ts
 * import { assertHostUnreachable } from 'portside'
 *
 * const error = new Error('connect EHOSTUNREACH 192.0.2.1:80')
 * Object.assign(error, { code: 'EHOSTUNREACH', syscall: 'connect', address: '192.0.2.1', port: 80 })
 * await assertHostUnreachable(error, { address: '192.0.2.1' })
 * ```
 * @see `docs/assertions.md#in-a-private-network`
 */
export const assertHostUnreachable: AssertOutcome = assertionOf('assertHostUnreachable', OUTCOMES.HostUnreachable)

/**
 * Asserts that an action fails because this host has no route to the network, and resolves to the error as it was thrown.
 *
 * The kernel answers with ENETUNREACH (connect(2)), for example in a private network without a default route. If the action
 * succeeds, what it opened is closed.
 *
 * @throws ERR_PORTSIDE_ASSERTION if the action succeeds, fails in another way or elsewhere, or does not end in time
 * @throws ABORT_ERR if `signal` is aborted
 * @throws ERR_INVALID_ARG_TYPE if `expected` or an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if `expected` has a host without an address, or an unknown family
 * @throws ERR_OUT_OF_RANGE if `timeout` is not from 1 to 2147483647
 * @throws ERR_SOCKET_BAD_PORT if the port of `expected` is not an integer from 0 to 65535
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option or a field of `expected` is unknown
 * @example
 * ```ts
 * import { assertNetworkUnreachable } from 'portside'
 *
 * const error = new Error('connect ENETUNREACH 192.0.2.1:80')
 * Object.assign(error, { code: 'ENETUNREACH', syscall: 'connect', address: '192.0.2.1', port: 80 })
 * await assertNetworkUnreachable(error, { address: '192.0.2.1' })
 * ```
 * @see `docs/assertions.md#in-a-private-network`
 */
export const assertNetworkUnreachable: AssertOutcome = assertionOf(
  'assertNetworkUnreachable',
  OUTCOMES.NetworkUnreachable,
)

/**
 * Asserts that an action fails because no descriptor is left, and resolves to the error as it was thrown.
 *
 * The kernel answers with EMFILE at the limit of this process, and with ENFILE at the limit of the host (socket(2)). If the
 * action succeeds, what it opened is closed.
 *
 * @throws ERR_PORTSIDE_ASSERTION if the action succeeds, fails in another way or elsewhere, or does not end in time
 * @throws ABORT_ERR if `signal` is aborted
 * @throws ERR_INVALID_ARG_TYPE if `expected` or an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if `expected` has a host without an address, or an unknown family
 * @throws ERR_OUT_OF_RANGE if `timeout` is not from 1 to 2147483647
 * @throws ERR_SOCKET_BAD_PORT if the port of `expected` is not an integer from 0 to 65535
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option or a field of `expected` is unknown
 * @example
 * ```ts
 * import { assertTooManyOpenFiles } from 'portside'
 *
 * const error = Object.assign(new Error('connect EMFILE'), { code: 'EMFILE', syscall: 'connect' })
 * await assertTooManyOpenFiles(error)
 * ```
 * @see `docs/assertions.md#assertions`
 */
export const assertTooManyOpenFiles: AssertOutcome = assertionOf('assertTooManyOpenFiles', OUTCOMES.TooManyOpenFiles)

/**
 * Asserts that an action fails because the kernel has no ephemeral port left, and resolves to the error as it was thrown.
 *
 * The kernel answers with EADDRNOTAVAIL to a connect, and with EADDRINUSE to a connect from a `localAddress` or to a bind to
 * port 0 (ip(7), ip_local_port_range). A conflict over a port and a missing `localAddress` have the same codes, but do not pass.
 * If the action succeeds, what it opened is closed.
 *
 * @throws ERR_PORTSIDE_ASSERTION if the action succeeds, fails in another way or elsewhere, or does not end in time
 * @throws ABORT_ERR if `signal` is aborted
 * @throws ERR_INVALID_ARG_TYPE if `expected` or an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if `expected` has a host without an address, or an unknown family
 * @throws ERR_OUT_OF_RANGE if `timeout` is not from 1 to 2147483647
 * @throws ERR_SOCKET_BAD_PORT if the port of `expected` is not an integer from 0 to 65535
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option or a field of `expected` is unknown
 * @example
 * ```ts
 * import { assertEphemeralPortsExhausted } from 'portside'
 *
 * const error = new Error('connect EADDRNOTAVAIL 127.0.0.1:80')
 * Object.assign(error, { code: 'EADDRNOTAVAIL', syscall: 'connect', address: '127.0.0.1', port: 80 })
 * await assertEphemeralPortsExhausted(error)
 * ```
 * @see `docs/assertions.md#what-eaddrinuse-and-eaddrnotavail-mean`
 */
export const assertEphemeralPortsExhausted: AssertOutcome = assertionOf(
  'assertEphemeralPortsExhausted',
  OUTCOMES.EphemeralPortsExhausted,
)
