import { bodies } from './matcher-bodies.js'

type Bodies = typeof bodies

/** Names only: the bodies load when a matcher is first called. */
const NAMES: Readonly<Record<keyof Bodies, true>> = {
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

/** For `expect.extend()` of Vitest and Jest. */
export const matchers: Bodies = Object.fromEntries(
  Object.keys(NAMES).map((name) => [name, matcher(name as keyof Bodies)]),
) as unknown as Bodies

function matcher(name: keyof Bodies) {
  return function (this: unknown, ...args: never[]): unknown {
    const body: (...args: never[]) => unknown = bodies[name]
    return body.apply(this, args)
  }
}
