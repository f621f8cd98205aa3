import { type AssertOutcome, assertionOf, type Outcome } from './outcome.js'

export const brokenPipe: Outcome = {
  name: 'a broken pipe (EPIPE)',
  phase: 'connection',
  is: ({ code }) => code === 'EPIPE',
  next: 'write twice after the peer has closed: the first write is answered by a reset, and the second finds EPIPE',
}

/**
 * Asserts that the action fails because it wrote to a connection that was gone: EPIPE (send(2)). The first write after the
 * other end has closed is taken, and answered by a reset; the next one finds the pipe broken.
 */
export const assertBrokenPipe: AssertOutcome = assertionOf(brokenPipe)
