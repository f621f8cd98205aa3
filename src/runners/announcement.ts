import { writeSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { invalidArgument } from '../errors.js'
import type { LeakOptions } from '../leaks/leak-check.js'
import { claimRun } from '../platform/run-claim.js'
import { processState } from '../process-state.js'

/** The line that a run prints once: `portside: leak check on, fail; kernel once a file`. */
export function announcementOf({ mode = 'fail', kernel }: LeakOptions, asksKernel = isMainThread): string {
  if (mode === 'off') return 'portside: leak check off'
  const asked = kernel === true ? 'after each test' : (kernel ?? asksKernel) ? 'once a file' : 'never'
  return `portside: leak check on, ${mode}; kernel ${asked}`
}

/** Prints the line once for each run, identified by `main`, the pid of the process that runs the workers. */
export function announce(options: LeakOptions, wanted: boolean | undefined, main: number): void {
  const says = isAnnounced(wanted)
  const state = processState('runners.announcement', () => ({ done: false }))
  if (state.done) return
  state.done = true
  const { signal: _, ...noted } = options
  if (claimRun(main, JSON.stringify(noted)) && says) printLine(announcementOf(options))
}

/** Whether to print the line. Throws ERR_INVALID_ARG_VALUE if `PORTSIDE_ANNOUNCE` is set but not `off`. */
export function isAnnounced(wanted: boolean | undefined): boolean {
  const given = process.env[VARIABLE]
  if (given === undefined || given === '') return wanted !== false
  if (given === 'off') return false
  throw invalidArgument('ERR_INVALID_ARG_VALUE', VARIABLE, "'off'", given, `write ${VARIABLE}=off, or unset it`)
}

const VARIABLE = 'PORTSIDE_ANNOUNCE'

/** Writes to the descriptor, because runners show other output of a worker below the test that ran. */
export function printLine(line: string): void {
  try {
    writeSync(2, `${line}\n`)
  } catch {
    // The reader has closed the pipe (EPIPE), or is too slow (EAGAIN).
  }
}
