import { calledBy } from '../caller.js'
import { listOf } from '../message.js'
import { turn } from '../timers.js'
import { type AssertionDetails, assertionError } from './assertion-error.js'
import { type ConnectionHolder, openSocketsOf } from './open-sockets.js'

/**
 * Asserts that a server or a pool has no open connection, after two turns of the event loop in which those that are closing
 * may close. Fails with the first ten and what each one is doing. Rejects with ERR_INVALID_ARG_TYPE for anything else.
 */
export async function assertDrained(holder: ConnectionHolder): Promise<void> {
  return calledBy(assertDrained, async () => {
    // Refused before anything is waited for.
    openSocketsOf(holder)
    await turn()
    await turn()
    const left = whyNotDrained(holder)
    if (left !== undefined) throw assertionError(left)
  })
}

/** What is open; undefined where nothing is. */
export function whyNotDrained(holder: unknown): AssertionDetails | undefined {
  const { count, lines } = openSocketsOf(holder)
  if (count === 0) return undefined
  return {
    expected: 'no open connection',
    actual: counted(count, lines),
    next: 'await drain() of the pool, or close() of the server, which end every connection within a grace',
  }
}

export function counted(count: number, lines: readonly string[]): string {
  const which = lines.length === 0 ? '' : `\n  - ${listOf(lines, String).replaceAll('\n', '\n  - ')}`
  return `${count} open connection${count === 1 ? '' : 's'}${which}`
}
