import { invalidArgument } from './errors.js'
import { LONGEST_DELAY } from './timers.js'

/** Returns a number of milliseconds from `least` on. Throws ERR_INVALID_ARG_TYPE or ERR_OUT_OF_RANGE. */
export function milliseconds(name: string, value: unknown, least: 0 | 1 = 0): number {
  const expected = `a number of milliseconds from ${least} to ${LONGEST_DELAY}`
  if (typeof value !== 'number') throw invalidArgument('ERR_INVALID_ARG_TYPE', name, expected, value)
  if (!(value >= least && value <= LONGEST_DELAY)) throw invalidArgument('ERR_OUT_OF_RANGE', name, expected, value)
  return value
}

/** The same for an integer, such as a backlog. */
export function integer(name: string, value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const expected = `an integer from ${least}${most === Number.MAX_SAFE_INTEGER ? '' : ` to ${most}`}`
  if (typeof value !== 'number') throw invalidArgument('ERR_INVALID_ARG_TYPE', name, expected, value)
  if (!(Number.isInteger(value) && value >= least && value <= most)) {
    throw invalidArgument('ERR_OUT_OF_RANGE', name, expected, value)
  }
  return value
}
