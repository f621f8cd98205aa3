import { writeSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import type { LeakOptions } from '../leaks/options.js'

/** What a run says once of its leak check: `portside: leak check on, fail; kernel once a file`. */
export function announcementOf({ mode = 'fail', kernel }: LeakOptions, asksKernel = isMainThread): string {
  if (mode === 'off') return 'portside: leak check off'
  const asked = kernel === true ? 'after each test' : (kernel ?? asksKernel) ? 'once a file' : 'never'
  return `portside: leak check on, ${mode}; kernel ${asked}`
}

/** To the standard error output itself: runners show what a worker prints below the test that ran. */
export function printLine(line: string): void {
  try {
    writeSync(2, `${line}\n`)
  } catch {
    // Nobody reads it any more (EPIPE), or not fast enough (EAGAIN).
  }
}
