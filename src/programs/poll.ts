import { setMaxListeners } from 'node:events'
import pWaitFor from 'p-wait-for'
import { onAbort, refuseAborted } from '../signals.js'
import { now, setTimeout, whenOverdue } from '../timers.js'

export interface PollOptions {
  readonly timeout: number
  /** Milliseconds between two attempts. Undefined: short at first, then longer. */
  readonly interval?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Ends the wait as the timeout does. */
  readonly stop?: AbortSignal
}

/**
 * Attempts until an attempt returns a result. Resolves to undefined when the timeout expires, which also aborts `giveUp`.
 * Rejects with ABORT_ERR if the signal aborts, and with the error of an attempt. `asked` begins the headline of an error.
 */
export async function poll<T extends object | string>(
  asked: string,
  { timeout, interval, signal, stop }: PollOptions,
  attempt: (giveUp: AbortSignal) => Promise<T | undefined>,
): Promise<T | undefined> {
  refuseAborted(signal, asked)
  const giveUp = new AbortController()
  // Each pause adds a listener.
  setMaxListeners(0, giveUp.signal)
  const end = (): void => giveUp.abort()
  const cancel = whenOverdue(timeout, end)
  const forget = [onAbort(signal, end), onAbort(stop, end)]
  if (stop?.aborted) end()
  const begun = now()
  let attempts = 0
  try {
    const found = await pWaitFor<T>(
      async () => {
        if (interval === undefined && attempts > 0) await growing(now() - begun)
        attempts++
        if (giveUp.signal.aborted) return false
        const result = await attempt(giveUp.signal)
        return result === undefined ? false : pWaitFor.resolveWith(result)
      },
      { interval: interval ?? 0, signal: giveUp.signal },
    )
    refuseAborted(signal, asked)
    return found
  } catch (error) {
    refuseAborted(signal, asked)
    if (!giveUp.signal.aborted) throw error
    return undefined
  } finally {
    cancel()
    for (const call of forget) call()
  }
}

/** Pauses for 1/32 of the time waited so far, up to 20 ms, so that a program is found soon after it is up. */
async function growing(waited: number): Promise<void> {
  const pause = Math.min(waited / 32, 20)
  // p-wait-for pauses for 1 ms itself.
  if (pause > 1) await new Promise<void>((resolve) => void setTimeout(resolve, pause - 1))
}
