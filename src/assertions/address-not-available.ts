import { isExhaustion } from '../explanations/meaning.js'
import { type AssertOutcome, assertionOf, type Outcome } from './outcome.js'

export const addressNotAvailable: Outcome = {
  name: 'an address that this host lacks (EADDRNOTAVAIL)',
  phase: 'bind',
  is: (failure) => failure.code === 'EADDRNOTAVAIL' && !isExhaustion(failure),
  next: 'use an address that this host lacks: unassignedEndpoint()',
}

/**
 * Asserts that the action fails because this host lacks the address, or its whole family: EADDRNOTAVAIL of a listen, of a
 * `localAddress`, of a connect without IPv6 (bind(2)). A connect that finds no ephemeral port left fails with the same code:
 * that is `assertEphemeralPortsExhausted()`.
 */
export const assertAddressNotAvailable: AssertOutcome = assertionOf(addressNotAvailable)
