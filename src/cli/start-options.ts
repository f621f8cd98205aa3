import { constants } from 'node:os'
import type { Ready } from '../programs/ready.js'
import type { CommandOption } from './command.js'
import { UsageError } from './usage-error.js'
import { DEFAULT_TIMEOUT, integerIn, millisecondsIn, patternIn, statusIn } from './values.js'

export interface StartOptions {
  readonly ready?: readonly Ready[]
  readonly port?: number | 'any'
  readonly timeout?: number
  readonly status?: number
  readonly stopSignal?: NodeJS.Signals
  readonly grace?: number
  readonly quiet?: true
}

/** The default of `--grace` in milliseconds. A program may have browsers to close. */
export const DEFAULT_GRACE = 5000

/** The options of `portside start`, which `portside run` passes on. */
export const START_OPTIONS: readonly (CommandOption & { key: keyof StartOptions })[] = [
  {
    flag: 'ready',
    value: 'READY',
    text: 'When COMMAND is ready: listening, a path such as /health, or output:REGEX. May be repeated: all must be met.',
    default: 'listening',
    key: 'ready',
    read: readyIn,
    many: true,
  },
  {
    flag: 'port',
    value: 'N|any',
    text: 'The number in PORT. any: COMMAND picks a port, and portside finds it.',
    default: 'a free port',
    key: 'port',
    read: (text = '') => (text === 'any' ? text : integerIn(text, 1, 65_535, 'any, or a port')),
  },
  {
    flag: 'timeout',
    value: 'MS',
    text: 'The longest wait until COMMAND is ready, in milliseconds.',
    default: String(DEFAULT_TIMEOUT),
    key: 'timeout',
    read: (text) => millisecondsIn(text),
  },
  {
    flag: 'status',
    value: 'N',
    text: 'The status with which a path must answer.',
    default: '200 to 399',
    key: 'status',
    read: statusIn,
  },
  {
    flag: 'stop-signal',
    value: 'NAME',
    text: 'The signal that stops COMMAND.',
    default: 'SIGTERM',
    key: 'stopSignal',
    read: signalIn,
  },
  {
    flag: 'grace',
    value: 'MS',
    text: 'Milliseconds between that signal and SIGKILL.',
    default: String(DEFAULT_GRACE),
    key: 'grace',
    read: (text) => millisecondsIn(text, 0),
  },
  { flag: 'quiet', text: 'Print the output of COMMAND only if something fails.', key: 'quiet' },
]

function readyIn(text = ''): Ready {
  if (text === 'listening') return text
  if (text.startsWith('output:') && text.length > 7) return { output: patternIn(text.slice(7)) }
  if (/^\/(?!\/)[\x21-\x7e]*$/.test(text)) return { http: text }
  throw new Error('expected listening, a path such as /health, or output:REGEX')
}

function signalIn(text = ''): NodeJS.Signals {
  const name = text.toUpperCase().replace(/^(?!SIG)/, 'SIG')
  if (Object.hasOwn(constants.signals, name)) return name as NodeJS.Signals
  throw new Error('expected the name of a signal, such as SIGTERM')
}

/** The conditions, with the requested status. Throws UsageError. */
export function conditionsIn({ ready = [], status }: StartOptions): readonly Ready[] {
  if (status === undefined) return ready
  const isPath = (one: Ready): one is { http: string } => typeof one === 'object' && 'http' in one
  if (!ready.some(isPath)) throw new UsageError('--status needs a path: --ready /health')
  return ready.map((one) => (isPath(one) ? { ...one, status } : one))
}

/** COMMAND, and TEST if it was given. Each is a name with its arguments. */
export interface Programs {
  readonly command: readonly [string, ...string[]]
  readonly test?: readonly [string, ...string[]]
}

export const THEN = '--then'

/** Throws UsageError. */
export function programsIn(operands: readonly string[]): Programs {
  const at = operands.indexOf(THEN)
  const command = named(at < 0 ? operands : operands.slice(0, at), `COMMAND before ${THEN}`)
  return at < 0 ? { command } : { command, test: named(operands.slice(at + 1), `TEST after ${THEN}`) }
}

function named([name, ...args]: readonly string[], what: string): [string, ...string[]] {
  if (name === undefined) throw new UsageError(`missing ${what}`)
  if (name === '') throw new UsageError(`the name of ${what} is empty`)
  return [name, ...args]
}
