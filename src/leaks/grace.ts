import { nextTick, setTimeout, turn } from '../timers.js'

/** Waits for a `listen()` with a host, which looks the address up first and opens its socket in the next tick. */
export const nextListen = (): Promise<void> => new Promise((resolve) => nextTick(resolve))

/**
 * Looks until nothing is found, and returns what is left when the grace is over. A teardown without `await` needs two to four turns of the
 * event loop; a teardown that asks another process needs more time. In the first turns, `look` is called with `early`. After these, it waits
 * only while `isWorthIt`.
 */
export async function afterGrace<T>(
  look: (early: boolean) => T[],
  isWorthIt: (found: readonly T[]) => boolean,
  signal?: AbortSignal,
): Promise<T[]> {
  let found = look(true)
  for (let turns = 0; turns < TURNS && found.length > 0 && !signal?.aborted; turns++) {
    await turn()
    found = look(turns < TURNS - 1)
  }
  for (let delay = 1; delay <= LONGEST && found.length > 0 && !signal?.aborted && isWorthIt(found); delay *= 2) {
    await new Promise((resolve) => void setTimeout(resolve, delay))
    found = look(false)
  }
  return signal?.aborted ? look(false) : found
}

/** How many turns of the event loop a close without `await` may need. */
export const TURNS = 16

/** Milliseconds; 127 in all. */
const LONGEST = 64
