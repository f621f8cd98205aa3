import { isExhaustion } from '../explanations/meaning.js'
import { type AssertOutcome, assertionOf, type Outcome } from './outcome.js'

export const ephemeralPortsExhausted: Outcome = {
  name: 'an exhausted ephemeral range (EADDRNOTAVAIL of a connect, EADDRINUSE of a bind to port 0)',
  phase: 'bind',
  is: (failure) => isExhaustion(failure),
  next: 'use up the range first, in a private network with a small one (net.ipv4.ip_local_port_range)',
}

/**
 * Asserts that the action fails because the kernel has no ephemeral port left (ip(7), ip_local_port_range): EADDRNOTAVAIL of
 * a connect, EADDRINUSE of a connect from a `localAddress`, EADDRINUSE without a port of a bind to port 0. The same codes with
 * a port, or of a `localAddress` that is not there, are a conflict and a missing address, and fail.
 */
export const assertEphemeralPortsExhausted: AssertOutcome = assertionOf(ephemeralPortsExhausted)
