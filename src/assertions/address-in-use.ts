import { isExhaustion } from '../explanations/meaning.js'
import { type AssertOutcome, assertionOf, type Outcome } from './outcome.js'

export const addressInUse: Outcome = {
  name: 'an address in use (EADDRINUSE)',
  phase: 'bind',
  is: (failure) => failure.code === 'EADDRINUSE' && !isExhaustion(failure),
  next: 'occupy the address for the test: occupiedEndpoint(), or a server that listens',
}

/**
 * Asserts that the action fails because somebody has the address: EADDRINUSE of a bind to a port, or to a path (bind(2)).
 * An exhausted range fails with the same code and without a port: that is `assertEphemeralPortsExhausted()`.
 */
export const assertAddressInUse: AssertOutcome = assertionOf(addressInUse)
