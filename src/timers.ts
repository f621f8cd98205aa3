import timers from 'node:timers'

// Read at load from the module, not from globalThis. Fake timers that a test installs later, or that a runner has installed on its
// own global, must not stall a teardown.
export const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate } = timers
export const { nextTick } = process
// Not `performance`: Node loads it on first use, which would cost every import a millisecond.
const { bigint: nanoseconds } = process.hrtime

/** Milliseconds on a clock that fake timers do not move. */
export const now = (): number => Number(nanoseconds()) / 1e6

/**
 * Resolves after the event loop has polled for I/O and run its check phase once. All callers that wait for the same turn continue in
 * one run of microtasks.
 */
export function turn(): Promise<void> {
  next ??= new Promise((resolve) => {
    setImmediate(() => {
      next = undefined
      resolve()
    })
  })
  return next
}

let next: Promise<void> | undefined

/** Waits a turn. From the sixteenth in a row it also sleeps, longer each time, up to 16 ms. */
export async function pause(turns: number): Promise<void> {
  if (turns >= 16) await new Promise((resolve) => void setTimeout(resolve, Math.min(2 ** (turns - 16), 16)))
  // Callers that slept also continue together.
  await turn()
}

/**
 * Calls back when an answer is overdue, and returns a function that cancels. Node runs timers before it polls for I/O
 * (https://nodejs.org/learn/asynchronous-work/event-loop-timers-and-nexttick), so after a busy time an answer of the kernel waits
 * behind the timer. It gets one more poll in which to cancel.
 */
export function whenOverdue(timeout: number, callback: () => void): () => void {
  let immediate: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    immediate = setImmediate(callback)
  }, timeout)
  return () => {
    clearTimeout(timer)
    clearImmediate(immediate)
  }
}

/** The longest delay of `setTimeout`; above it Node uses 1 ms. https://nodejs.org/api/timers.html */
export const LONGEST_DELAY = 2 ** 31 - 1
