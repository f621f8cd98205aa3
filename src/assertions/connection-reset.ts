import { type AssertOutcome, assertionOf, type Outcome } from './outcome.js'

export const connectionReset: Outcome = {
  name: 'a reset connection (ECONNRESET)',
  phase: 'connection',
  is: ({ code }) => code === 'ECONNRESET',
  next: 'let the peer reset: resettingEndpoint(), or socket.resetAndDestroy() at its side',
}

/**
 * Asserts that the action fails because the other end cut the connection: ECONNRESET (tcp(7)). Node gives the same code to a
 * request whose connection ends before the answer ('socket hang up'), which passes: only its message tells the two apart.
 */
export const assertConnectionReset: AssertOutcome = assertionOf(connectionReset)
