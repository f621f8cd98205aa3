import { milliseconds } from '../numbers.js'
import type { Ready } from './ready.js'

/** The times of a wait: the options of `waitForRefused()` and, with others, of `waitForListening()`. */
export interface WaitOptions {
  /**
   * Milliseconds until the call rejects.
   * @default 10_000
   */
  timeout?: number
  /**
   * Milliseconds between two attempts.
   * @default 20
   */
  interval?: number
  /** When it aborts, the call rejects with `ABORT_ERR`. */
  signal?: AbortSignal
}

/** The options of `waitForListening()`. */
export interface ListeningWaitOptions extends WaitOptions {
  /** The condition in addition to listening. Not a line of output, which only `spawnListening()` reads. */
  ready?: Exclude<Ready, RegExp | { output: RegExp }> | ReadonlyArray<Exclude<Ready, RegExp | { output: RegExp }>>
}

/** Throws ERR_INVALID_ARG_TYPE or ERR_OUT_OF_RANGE. */
export function checkTimes({ timeout, interval }: WaitOptions): void {
  if (timeout !== undefined) milliseconds('timeout', timeout)
  if (interval !== undefined) milliseconds('interval', interval)
}
