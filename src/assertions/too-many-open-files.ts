import { type AssertOutcome, assertionOf, type Outcome } from './outcome.js'

export const tooManyOpenFiles: Outcome = {
  name: 'no descriptor left (EMFILE, ENFILE)',
  phase: 'bind',
  is: ({ code }) => code === 'EMFILE' || code === 'ENFILE',
  next: 'lower the limit of the process under test (ulimit -n), and open more than that',
}

/** Asserts that the action fails for want of a descriptor: EMFILE of this process, ENFILE of the host (socket(2)). */
export const assertTooManyOpenFiles: AssertOutcome = assertionOf(tooManyOpenFiles)
