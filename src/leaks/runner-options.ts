import { checkBoolean } from '../argument.js'
import { readOptions } from '../options.js'
import { checkLeakOptions, checkMode, type LeakOptions, type RunnerOptions } from './options.js'
import { isFollowed } from './trace.js'

/** Reads the options of a runner's entry, called `of` in errors. `more` are other valid names. PORTSIDE_LEAKS overrides the mode. */
export function readLeakOptions(
  given: RunnerOptions | undefined,
  of: string,
  more: readonly string[] = [],
): LeakOptions {
  const { leaks, announce } = readOptions(given, {
    of,
    names: ['leaks', 'announce', ...more],
    example: "{ leaks: 'warn' }",
    instead: INSTEAD,
  })
  checkBoolean('announce', announce)
  isFollowed()
  const options = typeof leaks === 'string' ? { mode: leaks } : leaks
  const read = checkLeakOptions(options, `${of}.leaks`)
  const mode = process.env[VARIABLE] as LeakOptions['mode']
  if (mode === undefined || (mode as string) === '') return read
  checkMode(mode, VARIABLE)
  return { ...read, mode }
}

const VARIABLE = 'PORTSIDE_LEAKS'

/** Options of the check that belong one level deeper. */
export const INSTEAD: Readonly<Record<string, string>> = Object.fromEntries(
  ['mode', 'ignore', 'idlePools', 'kernel', 'close', 'redialWait', 'alive'].map((name) => [
    name,
    `put it into leaks: { leaks: { ${name}: ... } }`,
  ]),
)

export type { RunnerOptions }
