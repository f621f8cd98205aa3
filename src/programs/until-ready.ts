import { dialAddress } from '../loopback/dial-address.js'
import { type Endpoint, toEndpoint } from '../loopback/endpoint.js'
import type { Condition, ReadyAnswer } from './condition.js'
import type { Finder, Found } from './finder.js'
import { type PollOptions, poll } from './poll.js'

/** The state of a wait when its timeout expires. */
export interface Unready {
  /** Undefined if no listener was found. */
  readonly found: Found | undefined
  /** The conditions that are not true, each with its last answer. */
  readonly pending: ReadonlyArray<{ readonly condition: Condition; readonly answer: ReadyAnswer | undefined }>
}

/**
 * Waits until a listener is found and all conditions are true. A condition that was true is not checked again unless the
 * listener goes away. Resolves to the missing parts when the timeout expires.
 */
export async function untilReady(
  asked: string,
  finder: Finder,
  conditions: readonly Condition[],
  options: PollOptions,
): Promise<{ readonly ready: Found } | { readonly unready: Unready }> {
  const pending = new Map<Condition, ReadyAnswer | undefined>(conditions.map((condition) => [condition, undefined]))
  let found: Found | undefined
  const attempt = async (giveUp: AbortSignal): Promise<Found | undefined> => {
    if (found === undefined) {
      found = await finder.find(giveUp)
      if (found === undefined || pending.size === 0) return found
    }
    const [{ address, port, family }] = found.endpoints
    const endpoint = toEndpoint(dialAddress({ address, family }), port)
    const answers = await Promise.all(
      [...pending.keys()].map(async (condition) => [condition, await askOnce(condition, endpoint, giveUp)] as const),
    )
    for (const [condition, answer] of answers) {
      if (answer === undefined) pending.delete(condition)
      // If the end of the wait cuts an attempt off, the previous answer says more.
      else if (!giveUp.aborted || pending.get(condition) === undefined) pending.set(condition, answer)
    }
    const [ready, refused] = [pending.size === 0, answers.some(([, answer]) => answer?.error !== undefined)]
    if ((!ready && !refused) || finder.holds(found)) return ready ? found : undefined
    found = undefined
    for (const condition of conditions) if (!pending.has(condition)) pending.set(condition, undefined)
    return undefined
  }
  try {
    const ready = await poll(asked, options, attempt)
    if (ready !== undefined) return { ready }
    return { unready: { found, pending: [...pending].map(([condition, answer]) => ({ condition, answer })) } }
  } finally {
    for (const condition of conditions) condition.forget?.()
  }
}

async function askOnce(
  condition: Condition,
  endpoint: Endpoint,
  giveUp: AbortSignal,
): Promise<ReadyAnswer | undefined> {
  try {
    return await condition.ask(endpoint, giveUp)
  } catch (error) {
    // The status function of the user threw.
    return { error: error as Error }
  }
}
