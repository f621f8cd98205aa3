import { checkBoolean, readArgument } from '../argument.js'
import { invalidArgument } from '../errors.js'
import { validPort } from '../loopback/address.js'
import { nearest } from '../nearest.js'
import { milliseconds } from '../numbers.js'
import { namesOf, readOptions } from '../options.js'
import type { SocketLeak } from './socket-leak.js'

export type LeakKind = SocketLeak['kind']

/**
 * A rule for sockets that may stay open. All of its conditions must match. At least one of `function`, `endpoint`, `kind` and `package` is
 * required.
 */
export interface LeakIgnore {
  /** A function on the stack that opened the socket: `'connect'`, `'Pool.connect'`, or a regular expression for its name. */
  readonly function?: string | RegExp
  /** The address, port or path of either end, or of the listener. All that are given must match the same end. */
  readonly endpoint?: { readonly address?: string; readonly port?: number; readonly path?: string }
  /** The kind of the socket, as in a leak. */
  readonly kind?: LeakKind
  /** A package on the stack that opened the socket: `'pg'`. */
  readonly package?: string
  /** Your reason why the socket may stay open. Not a condition. */
  readonly because?: string
}

/** Options of the leak check. */
export interface LeakOptions {
  /**
   * `'fail'` makes a leak an error. `'warn'` prints leaks without failing: use it while you adopt the check. `'off'` looks for nothing.
   * @default 'fail'
   */
  mode?: 'fail' | 'warn' | 'off'
  /**
   * Rules for sockets that may stay open.
   * @default []
   */
  ignore?: readonly LeakIgnore[]
  /**
   * How to treat connections that an `http.Agent` or undici keeps for the next request, and their other ends. `'ignore'` leaves them
   * open, `'report'` reports them as leaks, `'close'` closes them without a report.
   * @default 'ignore'
   */
  idlePools?: 'ignore' | 'report' | 'close'
  /**
   * Whether to ask the kernel for sockets that no object of Node explains, such as sockets of native modules and of other threads. `true`
   * also asks after each test, `false` never asks. Linux only.
   * @default `findLeaks()` asks, a test runner asks at the end of a file, and in a worker thread it never asks
   */
  kernel?: boolean
  /**
   * Whether to close leaked sockets: `true` closes them at once, `false` never.
   * @default `findLeaks()` closes nothing; where the runner would wait for leaked sockets, they are closed at the end of the file, or with
   * `mode: 'warn'` unref'd
   */
  close?: boolean
  /**
   * How long the end of a file waits for a client to reconnect, in milliseconds. It waits only if a connect of a test failed or a
   * connection was cut, and the test has since set a timer that fires within this time.
   * @default 2000
   */
  redialWait?: number
  /**
   * Whether to report what else keeps the process alive when a file ends: timers, child processes, worker threads, watchers, message ports,
   * standard input. `'warn'` prints it, `'fail'` makes it an error, `'off'` does not look.
   * @default 'warn' in Jest, Mocha and node:test, which wait for it; 'off' elsewhere
   */
  alive?: 'off' | 'warn' | 'fail'
  /** Aborting ends the grace: sockets that are open then are reported. */
  signal?: AbortSignal
}

/** Options of the entry for a test runner. */
export interface RunnerOptions {
  /**
   * Options of the leak check, or its mode.
   * @default `{}`: every leak fails its test
   */
  leaks?: LeakOptions | LeakOptions['mode']
  /**
   * Whether the run says once, on the standard error output, that the check is on.
   * @default true
   */
  announce?: boolean
}

export function checkLeakOptions(given: LeakOptions | undefined, of: string): LeakOptions {
  const options = readOptions(given, { of, names: NAMES, example: "{ mode: 'warn' }" })
  checkOneOf('mode', options.mode, MODES)
  checkOneOf('idlePools', options.idlePools, IDLE_POOLS)
  checkOneOf('alive', options.alive, ALIVE)
  for (const name of ['kernel', 'close'] as const) checkBoolean(name, options[name])
  if (options.redialWait !== undefined) milliseconds('redialWait', options.redialWait)
  if (options.ignore !== undefined) checkIgnores(options.ignore)
  return options
}

export function checkIgnores(ignores: unknown): readonly LeakIgnore[] {
  return readArgument('ignore', 'an array of rules', ignores, () =>
    Array.isArray(ignores) ? Array.from(ignores, checkIgnore) : undefined,
  )
}

function checkIgnore(given: unknown): LeakIgnore {
  if (typeof given !== 'object' || given === null) throw invalidArgument('ERR_INVALID_ARG_TYPE', 'ignore', RULE, given)
  const rule = readOptions(given as LeakIgnore, { of: 'a leak rule', names: [...CONDITIONED, 'because'] })
  const names = CONDITIONED.filter((name) => rule[name] !== undefined)
  // A rule without a condition would match every socket.
  if (names.length === 0) throw invalidArgument('ERR_INVALID_ARG_VALUE', 'ignore', RULE, given)
  for (const name of names) {
    const { expected, fits } = CONDITIONS[name]
    if (!readArgument(name, expected, rule[name], () => fits(rule[name])))
      throw invalidArgument('ERR_INVALID_ARG_VALUE', name, expected, rule[name])
  }
  if (rule.endpoint === undefined) return rule
  const spec = { of: 'the endpoint of a rule', names: ['address', 'port', 'path'], example: '{ port: 3000 }' }
  const endpoint = readOptions(rule.endpoint, spec)
  if (endpoint.port !== undefined) validPort(endpoint.port)
  return { ...rule, endpoint }
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''
/** Not by `instanceof`: a regular expression of a Jest test file is of another realm. */
const isExpression = (value: unknown): boolean => typeof (value as RegExp | null)?.test === 'function'

const CONDITIONS = {
  function: {
    expected: 'the name of a function, or a regular expression for it',
    fits: (value: unknown) => isText(value) || isExpression(value),
  },
  package: { expected: 'the name of a package', fits: isText },
  kind: {
    expected: 'a kind of leak: client, accepted, listener, udp, unix or untracked',
    fits: (value: unknown) => KINDS.has(value as LeakKind),
  },
  endpoint: {
    expected: 'an object with address, port or path',
    fits: (value: unknown) => typeof value === 'object' && value !== null && Object.keys(value).length > 0,
  },
} as const

const CONDITIONED = Object.keys(CONDITIONS) as Array<keyof typeof CONDITIONS>
const KINDS: ReadonlySet<LeakKind> = new Set(['client', 'accepted', 'listener', 'udp', 'unix', 'untracked'])
const MODES = ['fail', 'warn', 'off']
const IDLE_POOLS = ['ignore', 'report', 'close']
const ALIVE = ['off', 'warn', 'fail']
const NAMES = namesOf<LeakOptions>()('mode', 'ignore', 'idlePools', 'kernel', 'close', 'redialWait', 'alive', 'signal')

/** Milliseconds. */
export const REDIAL_WAIT = 2000
const RULE = 'a rule with function, endpoint, kind or package'

export const checkMode = (mode: unknown, name: string): void => checkOneOf(name, mode, MODES)

function checkOneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (value === undefined || allowed.includes(value as string)) return
  const near = typeof value === 'string' ? nearest(value, allowed) : undefined
  throw invalidArgument(
    'ERR_INVALID_ARG_VALUE',
    name,
    listed(allowed.map((each) => `'${each}'`)),
    value,
    near && `write '${near}'`,
  )
}

const listed = (names: Iterable<string>): string => [...names].join(', ').replace(/, ([^,]*)$/, ' or $1')
