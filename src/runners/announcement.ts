import { writeSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { invalidArgument } from '../errors.js'
import type { LeakOptions } from '../leaks/leak-check.js'
import { claimRun } from '../platform/run-claim.js'
import { processState } from '../process-state.js'

/** What a run says once of its leak check: `portside: leak check on, fail; kernel once a file`. */
export function announcementOf({ mode = 'fail', kernel }: LeakOptions, asksKernel = isMainThread): string {
  if (mode === 'off') return 'portside: leak check off'
  const asked = kernel === true ? 'after each test' : (kernel ?? asksKernel) ? 'once a file' : 'never'
  return `portside: leak check on, ${mode}; kernel ${asked}`
}

/**
 * Prints it, once in a run: that of the process that runs the workers, by its pid. Prints nothing if it was turned off, by an option or
 * by `PORTSIDE_ANNOUNCE=off`.
 */
export function announce(options: LeakOptions, wanted: boolean | undefined, main: number): void {
  const says = isAnnounced(wanted)
  const state = processState('runners.announcement', () => ({ done: false }))
  if (state.done) return
  state.done = true
  const { signal: _, ...noted } = options
  if (claimRun(main, JSON.stringify(noted)) && says) printLine(announcementOf(options))
}

/** Whether a run is to say that its check is on. Throws ERR_INVALID_ARG_VALUE for a `PORTSIDE_ANNOUNCE` that is not `off`. */
export function isAnnounced(wanted: boolean | undefined): boolean {
  const given = process.env[VARIABLE]
  if (given === undefined || given === '') return wanted !== false
  if (given === 'off') return false
  throw invalidArgument('ERR_INVALID_ARG_VALUE', VARIABLE, "'off'", given, `write ${VARIABLE}=off, or unset it`)
}

const VARIABLE = 'PORTSIDE_ANNOUNCE'

/** To the standard error output itself: runners show what a worker prints below the test that ran. */
export function printLine(line: string): void {
  try {
    writeSync(2, `${line}\n`)
  } catch {
    // Nobody reads it any more (EPIPE), or not fast enough (EAGAIN).
  }
}
