import type { OwnersOptions } from '../socket-table/owners.js'
import type { ExpectedEndpoint } from './outcome.js'

/** What a matcher says to `expect.extend()`, of Vitest and of Jest. */
export interface Match {
  readonly pass: boolean
  /** Called only where the expectation failed: it may cost. */
  readonly message: () => string
}

/**
 * What the assertion library gives back for a matcher: nothing, or a promise after `.rejects` and `.resolves`. Without
 * `infer`: TypeScript takes no two of those for identical, and a project may load the .d.ts and the .d.cts of it.
 */
type Result<Assertion> = Assertion extends { toBe: (...expected: never[]) => Promise<void> }
  ? Promise<void>
  : Assertion extends { toBe: unknown }
    ? void
    : // biome-ignore lint/suspicious/noExplicitAny: what an asymmetric matcher gives back goes wherever a value goes.
      any

/** The matchers that decide within the call: they stand in `toEqual()`, too. Those on errors stand after `.rejects`. */
export interface NetAsymmetricMatchers {
  /** The error says that somebody has the address: EADDRINUSE of a bind to a port or a path. */
  toBeAddressInUse(expected?: ExpectedEndpoint): Result<this>
  /** The error says that nobody listens there: ECONNREFUSED. */
  toBeConnectionRefused(expected?: ExpectedEndpoint): Result<this>
  /** The error says that the peer cut the connection: ECONNRESET. */
  toBeConnectionReset(expected?: ExpectedEndpoint): Result<this>
  /** The error says that no answer came in time: ETIMEDOUT, or the time-out of a client. */
  toBeConnectionTimedOut(expected?: ExpectedEndpoint): Result<this>
  /** The error says that this host lacks the address: EADDRNOTAVAIL of a bind, or of a whole family. */
  toBeAddressNotAvailable(expected?: ExpectedEndpoint): Result<this>
  /** The error says that the system forbids it: EACCES or EPERM. */
  toBePermissionDenied(expected?: ExpectedEndpoint): Result<this>
  /** The error says that the peer was gone already when this end wrote: EPIPE. */
  toBeBrokenPipe(expected?: ExpectedEndpoint): Result<this>
  /** The error says that no way leads to the host: EHOSTUNREACH. */
  toBeHostUnreachable(expected?: ExpectedEndpoint): Result<this>
  /** The error says that no way leads to its network: ENETUNREACH. */
  toBeNetworkUnreachable(expected?: ExpectedEndpoint): Result<this>
  /** The error says that no descriptor is left: EMFILE of the process, ENFILE of the system. */
  toBeTooManyOpenFiles(expected?: ExpectedEndpoint): Result<this>
  /** The error says that no ephemeral port is left: EADDRNOTAVAIL of a connect, EADDRINUSE of a bind to port 0. */
  toBeEphemeralPortsExhausted(expected?: ExpectedEndpoint): Result<this>
  /** The server listens; of an endpoint, somebody does. */
  toBeListening(): Result<this>
  /** The server or pool has no open connection. */
  toBeDrained(): Result<this>
  /** The server or pool has so many open connections. */
  toHaveOpenSockets(count: number): Result<this>
}

/** The matchers of portside; the rest ask the kernel, and are awaited. */
export interface NetMatchers extends NetAsymmetricMatchers {
  /** A connect to the server or endpoint succeeds. */
  toAcceptConnections(): Promise<void>
  /** A connect to the server or endpoint is refused, at each of its addresses. */
  toRefuseConnections(): Promise<void>
  /** Nobody listens at the server's or endpoint's addresses, and they can be bound again. */
  toBeReleased(options?: OwnersOptions): Promise<void>
}
