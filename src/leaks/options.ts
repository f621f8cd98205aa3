import { checkBoolean, readArgument } from '../argument.js'
import { invalidArgument } from '../errors.js'
import { validPort } from '../loopback/address.js'
import { nearest } from '../nearest.js'
import { milliseconds } from '../numbers.js'
import { namesOf, readOptions } from '../options.js'
import type { SocketLeak } from './socket-leak.js'

export type LeakKind = SocketLeak['kind']

/** What is no leak. Everything that is given must fit; say in `because` why it may stay open. */
export interface LeakIgnore {
  /** A function on the stack that opened it: `'connect'`, `'Pool.connect'`, or an expression that its name must match. */
  readonly function?: string | RegExp
  /** Either end: its address, its port, its path, or both. */
  readonly endpoint?: { readonly address?: string; readonly port?: number; readonly path?: string }
  readonly kind?: LeakKind
  /** A package on the stack that opened it: `'pg'`. */
  readonly package?: string
  readonly because?: string
}

export interface LeakOptions {
  /** `'fail'` (default): a leak is an error; `'warn'`: it is printed; `'off'`: nobody looks. */
  mode?: 'fail' | 'warn' | 'off'
  /** What is no leak, beside what is known to be none. Default: nothing. */
  ignore?: readonly LeakIgnore[]
  /**
   * Connections that an http.Agent or fetch keeps for the next request, and their other ends. `'ignore'` (default): they
   * are no leak; `'report'`: they are; `'close'`: they are closed, and are none.
   */
  idlePools?: 'ignore' | 'report' | 'close'
  /**
   * Asks the kernel for sockets that no object of Node explains: those of native modules and of other threads. Linux
   * only. Default: `findLeaks` asks, a test runner at the end of a file; `true`: after each test, too; `false`: never.
   */
  kernel?: boolean
  /**
   * Closes what was found. Default: `findLeaks` closes nothing; a test runner that would wait for it closes it at the
   * end of the file. `true`: at once; `false`: never.
   */
  close?: boolean
  /**
   * How long the end of a file waits for a client to dial again, in milliseconds. It waits only if a dial of a test failed or was
   * cut, and the test has set a timer since that fires within this time. Default: 2000.
   */
  redialWait?: number
  /**
   * What else keeps the process from ending when a file ends: timers, child processes, worker threads, watchers, message ports,
   * standard input. `'warn'` prints it, `'fail'` makes it an error, `'off'` does not look. Default: `'warn'` where the runner
   * waits for it (Jest, Mocha, node:test), else `'off'`.
   */
  alive?: 'off' | 'warn' | 'fail'
  /** Aborting ends the grace: what is open then is told. */
  signal?: AbortSignal
}

/** What a test runner's entry takes. */
export interface RunnerOptions {
  /** The leak check. Default: every leak fails its test. */
  leaks?: LeakOptions | LeakOptions['mode']
  /** Whether the run says once, on the standard error output, that the check is on. Default: `true`. */
  announce?: boolean
}

/** Refuses what cannot be meant, before anything is looked for. */
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
  const rule = readOptions(given as LeakIgnore, { of: 'a rule of what is no leak', names: [...CONDITIONED, 'because'] })
  const names = CONDITIONED.filter((name) => rule[name] !== undefined)
  // A rule that says nothing would fit everything.
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
/** By what it can do: that of a Jest test file is of another realm. */
const isExpression = (value: unknown): boolean => typeof (value as RegExp | null)?.test === 'function'

const CONDITIONS = {
  function: {
    expected: 'the name of a function, or an expression for it',
    fits: (value: unknown) => isText(value) || isExpression(value),
  },
  package: { expected: 'the name of a package', fits: isText },
  kind: {
    expected: 'a kind of leak: client, accepted, listener, udp, unix or untracked',
    fits: (value: unknown) => KINDS.has(value as LeakKind),
  },
  endpoint: {
    expected: 'an object of address, port or path',
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

/** A mode that comes from elsewhere, such as the environment. */
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
