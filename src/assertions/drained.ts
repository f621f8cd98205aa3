import { calledBy } from '../caller.js'
import { listOf } from '../message.js'
import { turn } from '../timers.js'
import { type AssertionDetails, assertionError } from './assertion-error.js'
import { type ConnectionHolder, openSocketsOf } from './open-sockets.js'

/**
 * Asserts that a server or a pool has no open connection.
 *
 * It first waits two turns of the event loop, so that connections can finish closing. The error lists the first ten open
 * connections and the state of each. For a server that portside does not track, only their number is known.
 *
 * @throws ERR_PORTSIDE_ASSERTION if a connection is open
 * @throws ERR_INVALID_ARG_TYPE if the holder is not a server or a pool
 * @example
 * ```ts
 * import { assertDrained, listenTcp } from 'portside'
 *
 * await using server = await listenTcp()
 * await server.connect()
 * await server.connections.drain()
 * await assertDrained(server)
 * ```
 * @see `docs/assertions.md#assertdrained`
 */
export async function assertDrained(holder: ConnectionHolder): Promise<void> {
  return calledBy(assertDrained, async () => {
    // Rejects an invalid holder before the wait.
    openSocketsOf(holder)
    await turn()
    await turn()
    const left = whyNotDrained(holder)
    if (left !== undefined) throw assertionError(left)
  })
}

/** The details of the open connections; undefined if nothing is open. */
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
