import { LONGEST_DELAY } from '../timers.js'

/** The default of `--timeout` in milliseconds, as for a web server of Playwright Test. */
export const DEFAULT_TIMEOUT = 60_000

export function integerIn(text: string, least: number, most: number, what = 'an integer'): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw new Error(`expected ${what} from ${least} to ${most}`)
}

export const millisecondsIn = (text = '', least = 1): number => integerIn(text, least, LONGEST_DELAY, 'milliseconds')

export const statusIn = (text = ''): number => integerIn(text, 100, 599)

export function patternIn(text = ''): RegExp {
  try {
    return new RegExp(text)
  } catch (error) {
    const why = /: ([^:]+)$/.exec((error as Error).message)?.[1] ?? 'invalid'
    throw new Error(`expected a JavaScript regular expression (${why})`)
  }
}
