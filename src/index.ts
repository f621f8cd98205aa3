// Lists the public API by hand, so a review of the API reads this file.

export type { ActionOptions } from './assertions/action.js'
export type { PortsideAssertionError } from './assertions/assertion-error.js'
export { assertDrained } from './assertions/drained.js'
export type { ConnectionHolder } from './assertions/open-sockets.js'
export type { AssertOutcome, ExpectedEndpoint } from './assertions/outcome.js'
export {
  assertAddressInUse,
  assertAddressNotAvailable,
  assertBrokenPipe,
  assertConnectionRefused,
  assertConnectionReset,
  assertConnectionTimedOut,
  assertEphemeralPortsExhausted,
  assertHostUnreachable,
  assertNetworkUnreachable,
  assertPermissionDenied,
  assertTooManyOpenFiles,
} from './assertions/outcomes.js'
export { assertReleased } from './assertions/released.js'
export { type FragmentingOptions, fragmentingEndpoint } from './endpoints/fragmenting.js'
export { type OccupiedOptions, occupiedEndpoint } from './endpoints/occupied.js'
export { privilegedEndpoint } from './endpoints/privileged.js'
export { type RefusedOptions, refusedEndpoint } from './endpoints/refused.js'
export type { RelayTarget } from './endpoints/relay.js'
export { type ResettingOptions, resettingEndpoint } from './endpoints/resetting.js'
export { stalledEndpoint } from './endpoints/stalled.js'
export { type SwitchableEndpoint, type SwitchableState, switchableEndpoint } from './endpoints/switchable.js'
export type { EndpointOptions, TestEndpoint } from './endpoints/test-endpoint.js'
export { type UnassignedOptions, unassignedEndpoint } from './endpoints/unassigned.js'
export { type UnresponsiveOptions, unresponsiveEndpoint } from './endpoints/unresponsive.js'
export type { PortsideError, PortsideErrorCode } from './errors.js'
export { explainSocketError, type SocketExplanation } from './explanations/explain.js'
export type { FailureKind } from './explanations/failure-kind.js'
export { findLeaks, verifyNoLeaks } from './leaks/find-leaks.js'
export { ignoreLeaks } from './leaks/ignore.js'
export type { LeakError } from './leaks/leak-error.js'
export type { LeakIgnore, LeakOptions } from './leaks/options.js'
export { type SocketSnapshot, snapshotSockets } from './leaks/snapshot.js'
export type { SocketLeak } from './leaks/socket-leak.js'
export type { StackFrame } from './leaks/stack-frame.js'
export { type SocketTracking, trackSockets } from './leaks/tracking.js'
export { type Endpoint, type Family, formatEndpoint } from './loopback/endpoint.js'
export type { EndpointLike } from './loopback/endpoint-like.js'
export type { PortProtocol, PortReservation } from './loopback/port-reservation.js'
export { type LoopbackSupport, loopbackFamilies, probeLoopback } from './loopback/probe.js'
export { type Exhaustion, type ExhaustOptions, exhaustEphemeralPorts } from './namespaces/exhaustion.js'
export type { NetworkHost } from './namespaces/linked-host.js'
export {
  createNetwork,
  type NetworkOptions,
  type PrivateNetwork,
} from './namespaces/network.js'
export type { HostProfile, RouteKind } from './namespaces/profile.js'
export { type SpawnInNamespaceOptions, spawnInNamespace } from './namespaces/spawn-in-namespace.js'
export { type NamespaceSupport, namespaceSupport } from './namespaces/support.js'
export { type PortReservations, type ReserveOptions, reservePort, reservePorts } from './ports/reserve-port.js'
export type { ChildExit } from './programs/child.js'
export type { ReadyAnswer } from './programs/condition.js'
export type { EndedProcess } from './programs/end-family.js'
export type { Endpoints } from './programs/endpoints.js'
export type { Match } from './programs/find-anywhere.js'
export type { ListeningChild, SpawnListeningOptions } from './programs/listening-child.js'
export type { OutputMode } from './programs/output.js'
export type { HttpReady, Ready, TcpReady } from './programs/ready.js'
export { spawnListening } from './programs/spawn-listening.js'
export { waitForListening, waitForRefused } from './programs/wait.js'
export { type ReadyWaitOptions, waitForReady } from './programs/wait-for-ready.js'
export type { ListeningWaitOptions, WaitOptions } from './programs/wait-options.js'
export { createScope, type NetScope, type ScopeOptions } from './scope.js'
export { listenHttp, listenHttps, type RequestHandler } from './servers/http.js'
export { type Http2ListenOptions, type Http2RequestHandler, listenHttp2 } from './servers/http2.js'
export { listen } from './servers/listen.js'
export type {
  ConnectOptions,
  ListenOptions,
  SecureTestServer,
  TestServer,
  UdpTestServer,
  UnixEndpoint,
  UnixListenOptions,
  UnixTestServer,
} from './servers/server.js'
export { type ConnectionHandler, listenTcp } from './servers/tcp.js'
export { listenTls } from './servers/tls.js'
export { listenUdp, type MessageHandler } from './servers/udp.js'
export { listenUnix } from './servers/unix.js'
export { type EphemeralPorts, ephemeralPorts } from './socket-table/ephemeral-ports.js'
export { findOwners, type OwnersOptions, type SocketOwner } from './socket-table/owners.js'
export { type SocketDescriptor, socketDescriptors } from './socket-table/socket-descriptors.js'
export type {
  SocketAddress,
  SocketEntry,
  SocketFilter,
  SocketHolder,
  SocketState,
} from './socket-table/socket-entry.js'
export { readSocketTable } from './socket-table/socket-table.js'
export type { PoolConnectOptions } from './sockets/connect.js'
export type { ConnectionState } from './sockets/connection.js'
export type { ConnectionOutcome } from './sockets/connection-outcome.js'
export type { DrainHook, DrainOptions } from './sockets/drain.js'
export type { DrainError, DrainReport } from './sockets/drain-report.js'
export { createSocketPool, type SocketPool, type SocketPoolOptions } from './sockets/pool.js'
export { type FilledSendBuffer, type FillOptions, fillSendBuffer } from './sockets/send-buffer.js'
export { type ConnectionTuple, connectionTuple } from './sockets/tuple.js'
