import { setMaxListeners } from 'node:events'
import pWaitFor from 'p-wait-for'
import { onAbort, refuseAborted } from '../signals.js'
import { now, setTimeout, whenOverdue } from '../timers.js'

export interface PollOptions {
  readonly timeout: number
  /** Milliseconds between two attempts. Undefined: soon at first, then less and less often. */
  readonly interval?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Ends the wait as the time does. */
  readonly stop?: AbortSignal
}

/**
 * Attempts until something comes of it; undefined when the time is over. An attempt is given a signal that says so. Rejects with
 * ABORT_ERR if the signal is aborted, and with what an attempt throws. `asked` is what was to be done.
 */
export async function poll<T extends object | string>(
  asked: string,
  { timeout, interval, signal, stop }: PollOptions,
  attempt: (giveUp: AbortSignal) => Promise<T | undefined>,
): Promise<T | undefined> {
  refuseAborted(signal, asked)
  const giveUp = new AbortController()
  // Each pause listens to it.
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

/** A thirty-second part of the time that was waited, to 20 ms: a program that is up is found while little more has passed. */
async function growing(waited: number): Promise<void> {
  const pause = Math.min(waited / 32, 20)
  // p-wait-for itself makes a pause of 1 ms.
  if (pause > 1) await new Promise<void>((resolve) => void setTimeout(resolve, pause - 1))
}
