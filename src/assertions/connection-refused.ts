import { type AssertOutcome, assertionOf, type Outcome } from './outcome.js'

export const connectionRefused: Outcome = {
  name: 'a refused connection (ECONNREFUSED)',
  phase: 'connect',
  is: ({ code }) => code === 'ECONNREFUSED',
  next: 'dial an endpoint that refuses for certain: refusedEndpoint()',
}

/** Asserts that the action fails because nobody listens there: ECONNREFUSED at each address that was tried (connect(2)). */
export const assertConnectionRefused: AssertOutcome = assertionOf(connectionRefused)
