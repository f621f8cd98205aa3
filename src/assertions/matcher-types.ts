import type { OwnersOptions } from '../socket-table/owners.js'
import type { ExpectedEndpoint } from './outcome.js'

/** The result of a matcher for `expect.extend()` of Vitest and Jest. */
export interface Match {
  readonly pass: boolean
  /** Called only if the expectation failed, because it may be slow. */
  readonly message: () => string
}

/**
 * The type that `expect` returns for a matcher: void, or a promise after `.rejects` and `.resolves`. It has no `infer`: TypeScript
 * treats two types with `infer` as different, and a project may load both the .d.ts and the .d.cts.
 */
type Result<Assertion> = Assertion extends { toBe: (...expected: never[]) => Promise<void> }
  ? Promise<void>
  : Assertion extends { toBe: unknown }
    ? void
    : // biome-ignore lint/suspicious/noExplicitAny: an asymmetric matcher can stand in for any value.
      any

/**
 * The synchronous matchers, which also work inside `toEqual()`. Use those on errors after `.rejects`.
 * @see `docs/assertions.md#matchers`
 */
export interface NetAsymmetricMatchers {
  /** Passes if another socket has the address: EADDRINUSE of a bind to a port or a path. */
  toBeAddressInUse(expected?: ExpectedEndpoint): Result<this>
  /** Passes if nothing listens there: ECONNREFUSED. */
  toBeConnectionRefused(expected?: ExpectedEndpoint): Result<this>
  /** Passes if the peer cut the connection: ECONNRESET. */
  toBeConnectionReset(expected?: ExpectedEndpoint): Result<this>
  /** Passes if no answer came in time: ETIMEDOUT, or the timeout of a client. */
  toBeConnectionTimedOut(expected?: ExpectedEndpoint): Result<this>
  /** Passes if this host lacks the address or its family: EADDRNOTAVAIL of a bind, or of a connect without IPv6. */
  toBeAddressNotAvailable(expected?: ExpectedEndpoint): Result<this>
  /** Passes if the system forbids it: EACCES or EPERM. */
  toBePermissionDenied(expected?: ExpectedEndpoint): Result<this>
  /** Passes if the peer was gone before the write: EPIPE. */
  toBeBrokenPipe(expected?: ExpectedEndpoint): Result<this>
  /** Passes if no route leads to the host: EHOSTUNREACH. */
  toBeHostUnreachable(expected?: ExpectedEndpoint): Result<this>
  /** Passes if no route leads to its network: ENETUNREACH. */
  toBeNetworkUnreachable(expected?: ExpectedEndpoint): Result<this>
  /** Passes if no descriptor is left: EMFILE of the process, ENFILE of the system. */
  toBeTooManyOpenFiles(expected?: ExpectedEndpoint): Result<this>
  /** Passes if no ephemeral port is left: EADDRNOTAVAIL of a connect, EADDRINUSE of a bind to port 0. */
  toBeEphemeralPortsExhausted(expected?: ExpectedEndpoint): Result<this>
  /** Passes if the server listens, or if something listens on the endpoint. */
  toBeListening(): Result<this>
  /** Passes if the server or pool has no open connection. */
  toBeDrained(): Result<this>
  /** Passes if the server or pool has this many open connections. */
  toHaveOpenSockets(count: number): Result<this>
}

/**
 * All matchers of portside. `toAcceptConnections()`, `toRefuseConnections()` and `toBeReleased()` ask the kernel and return a promise: await
 * them.
 * @see `docs/assertions.md#matchers`
 */
export interface NetMatchers extends NetAsymmetricMatchers {
  /** Passes if each address of the server or endpoint accepts a connection within 1000 ms; for a name, one of them. */
  toAcceptConnections(): Promise<void>
  /** Passes if each address of the server or endpoint refuses a connection. */
  toRefuseConnections(): Promise<void>
  /** Passes if nothing listens on the addresses of the server or endpoint, and they can be bound again. */
  toBeReleased(options?: OwnersOptions): Promise<void>
}
