import { type AssertOutcome, assertionOf, type Outcome } from './outcome.js'

export const hostUnreachable: Outcome = {
  name: 'an unreachable host (EHOSTUNREACH)',
  phase: 'connect',
  is: ({ code }) => code === 'EHOSTUNREACH',
  next: 'make the route say so, in a private network: ip route add unreachable ADDRESS',
}

/** Asserts that the action fails because no way leads to the host: EHOSTUNREACH, from a route or a router (ip(7), icmp(7)). */
export const assertHostUnreachable: AssertOutcome = assertionOf(hostUnreachable)
