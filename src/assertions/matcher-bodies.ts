import { invalidArgument, portsideError } from '../errors.js'
import { describeFailure, list } from '../explanations/describe.js'
import { failuresIn } from '../explanations/socket-failure.js'
import { checkedProtocol, type OwnersOptions } from '../socket-table/owners.js'
import { type AssertionDetails, assertionMessage } from './assertion-error.js'
import { counted, whyNotDrained } from './drained.js'
import {
  dialAll,
  unwantedAccepting,
  unwantedListener,
  unwantedRefusing,
  whyNotAccepting,
  whyNotListening,
  whyNotRefusing,
} from './listening.js'
import type { Match } from './matcher-types.js'
import { openSocketsOf } from './open-sockets.js'
import { checkExpected, type ExpectedEndpoint, mismatchOf, type Outcome } from './outcome.js'
import { OUTCOMES } from './outcomes.js'
import { whyHeld } from './released.js'

/** The implementation of each matcher. */
export const bodies = {
  ...onErrorsAll(),

  toBeListening(received: unknown): Match {
    return matchOf(whyNotListening(received), () => unwantedListener(received))
  },
  toAcceptConnections: waiting('toAcceptConnections', async (received) => {
    const answers = await dialAll(received)
    return matchOf(whyNotAccepting(received, answers), () => unwantedAccepting(received, answers))
  }),
  toRefuseConnections: waiting('toRefuseConnections', async (received) => {
    const answers = await dialAll(received)
    return matchOf(whyNotRefusing(received, answers), () => unwantedRefusing(received, answers))
  }),
  toBeReleased: waiting('toBeReleased', async (received, options?: OwnersOptions) => {
    const free = () => ({ expected: 'the address not to be free', actual: 'an address that can be bound' })
    return matchOf(await whyHeld(received, checkedProtocol(options ?? {}, 'toBeReleased()')), free)
  }),
  toBeDrained(received: unknown): Match {
    return matchOf(whyNotDrained(received), () => ({ expected: 'an open connection', actual: 'none' }))
  },
  toHaveOpenSockets(received: unknown, count: number): Match {
    if (!(Number.isInteger(count) && count >= 0)) {
      throw invalidArgument('ERR_INVALID_ARG_TYPE', 'count', 'an integer from 0 on', count)
    }
    const open = openSocketsOf(received)
    const pass = open.count === count
    return {
      pass,
      message: () =>
        assertionMessage({
          expected: `${pass ? 'not ' : ''}${counted(count, [])}`,
          actual: counted(open.count, open.lines),
        }),
    }
  },
}

type OutcomeMatchers = { [Name in keyof typeof OUTCOMES as `toBe${Name}`]: OnError }
type OnError = (received: unknown, expected?: ExpectedEndpoint) => Match

/** One matcher for each outcome, by its name. */
function onErrorsAll(): OutcomeMatchers {
  const entries = Object.entries(OUTCOMES).map(([name, outcome]) => [`toBe${name}`, onErrors(`toBe${name}()`, outcome)])
  return Object.fromEntries(entries) as OutcomeMatchers
}

function onErrors(name: string, outcome: Outcome): OnError {
  return (received, expected) => {
    checkExpected(expected, name)
    const mismatch = mismatchOf(outcome, received, expected)
    if (mismatch !== undefined) return { pass: false, message: () => assertionMessage(mismatch()) }
    const actual = () => list(failuresIn(received).map(describeFailure))
    return {
      pass: true,
      message: () => assertionMessage({ expected: `an error that is not ${outcome.name}`, actual: actual() }),
    }
  }
}

type WaitingMatcher<Options extends unknown[]> = (
  this: unknown,
  received: unknown,
  ...options: Options
) => Promise<Match>

/**
 * A matcher that returns a promise. `toEqual()` would take the promise itself for a pass, so the matcher throws there: `this` of
 * an asymmetric matcher has no `promise`, in Vitest and in Jest.
 */
function waiting<Options extends unknown[]>(name: string, match: WaitingMatcher<Options>): WaitingMatcher<Options> {
  return function (received, ...options) {
    if (typeof this === 'object' && this !== null && 'equals' in this && !('promise' in this)) {
      throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
        headline: `Cannot use ${name}() inside another matcher`,
        because: 'it asks the kernel and returns a promise, and toEqual() does not wait for that',
        next: `await expect(...).${name}() in a statement of its own`,
      })
    }
    return match.call(this, received, ...options)
  }
}

/** `unwanted` returns the details of a failed expectation with `.not`. */
function matchOf(mismatch: AssertionDetails | undefined, unwanted: () => AssertionDetails): Match {
  return { pass: mismatch === undefined, message: () => assertionMessage(mismatch ?? unwanted()) }
}
