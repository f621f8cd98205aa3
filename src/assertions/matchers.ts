import { bodies } from './matcher-bodies.js'
import type { Match, NetMatchers } from './matcher-types.js'

/** Names only: the bodies load when a matcher is first called. */
const NAMES: Readonly<Record<keyof NetMatchers, true>> = {
  toAcceptConnections: true,
  toBeAddressInUse: true,
  toBeAddressNotAvailable: true,
  toBeBrokenPipe: true,
  toBeConnectionRefused: true,
  toBeConnectionReset: true,
  toBeConnectionTimedOut: true,
  toBeDrained: true,
  toBeEphemeralPortsExhausted: true,
  toBeHostUnreachable: true,
  toBeListening: true,
  toBeNetworkUnreachable: true,
  toBePermissionDenied: true,
  toBeReleased: true,
  toBeTooManyOpenFiles: true,
  toHaveOpenSockets: true,
  toRefuseConnections: true,
}

/** All matchers of portside, for `expect.extend()` of Vitest and Jest. */
export const matchers: Readonly<
  // biome-ignore lint/suspicious/noExplicitAny: Vitest and Jest call each with the arguments of its own.
  Record<keyof NetMatchers, (received: unknown, ...expected: any[]) => Match | Promise<Match>>
> = Object.fromEntries(
  Object.keys(NAMES).map((name) => [name, matcher(name as keyof NetMatchers)]),
) as unknown as typeof matchers

function matcher(name: keyof NetMatchers) {
  return function (this: unknown, ...args: never[]): unknown {
    const body: (...args: never[]) => unknown = bodies[name]
    return body.apply(this, args)
  }
}
