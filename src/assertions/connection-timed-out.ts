import { isTimeout } from '../explanations/meaning.js'
import { type AssertOutcome, assertionOf, type Outcome } from './outcome.js'

export const connectionTimedOut: Outcome = {
  name: 'a time-out (ETIMEDOUT, or that of the client)',
  phase: 'connection',
  is: (failure) => isTimeout(failure),
  next: 'dial an endpoint that does not answer: unresponsiveEndpoint(), or stalledEndpoint() for a time-out after the connect',
}

/**
 * Asserts that the action fails because no answer came in time: ETIMEDOUT of the kernel, or the time-out of the client in
 * whichever form it has (UND_ERR_CONNECT_TIMEOUT, a TimeoutError, axios' ECONNABORTED, gRPC's DEADLINE_EXCEEDED). Of a socket
 * or a request that is its own event 'timeout'.
 */
export const assertConnectionTimedOut: AssertOutcome = assertionOf(connectionTimedOut)
