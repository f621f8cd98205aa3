import timers from 'node:timers'

// Taken at load, from the module and not from globalThis: fake timers that a test installs later, or that a runner
// installed on its own global, must not stall a teardown.
export const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate } = timers
export const { nextTick } = process
// Not `performance`, which Node loads on first use: a millisecond of every import.
const { bigint: nanoseconds } = process.hrtime

/** Milliseconds on a clock that no fake timer moves. */
export const now = (): number => Number(nanoseconds()) / 1e6

/**
 * Resolves after the event loop has polled for I/O and run its check phase once more. All that wait for it go on in one run of
 * microtasks.
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

/** A turn; from the sixteenth in a row on a longer and longer sleep, up to 16 ms. */
export async function pause(turns: number): Promise<void> {
  if (turns >= 16) await new Promise((resolve) => void setTimeout(resolve, Math.min(2 ** (turns - 16), 16)))
  // Those that slept go on together, too.
  await turn()
}

/**
 * Calls back when an answer is overdue, and returns what cancels that. Node runs timers before it polls for I/O
 * (https://nodejs.org/learn/asynchronous-work/event-loop-timers-and-nexttick), so after a busy time an answer of the kernel
 * waits behind the timer: it gets one poll, in which it can still cancel.
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

/** Longest delay that `setTimeout` keeps; above it Node falls back to 1 ms. https://nodejs.org/api/timers.html */
export const LONGEST_DELAY = 2 ** 31 - 1
