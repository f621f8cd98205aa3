import { type AssertOutcome, assertionOf, type Outcome } from './outcome.js'

export const networkUnreachable: Outcome = {
  name: 'an unreachable network (ENETUNREACH)',
  phase: 'connect',
  is: ({ code }) => code === 'ENETUNREACH',
  next: 'run the test in a private network without a default route',
}

/** Asserts that the action fails because this host knows no route to the network: ENETUNREACH (connect(2)). */
export const assertNetworkUnreachable: AssertOutcome = assertionOf(networkUnreachable)
