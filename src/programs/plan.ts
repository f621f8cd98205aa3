import { readArgument } from '../argument.js'
import { invalidArgument, portsideError } from '../errors.js'
import { isReservation } from '../loopback/port-reservation.js'
import { integer, milliseconds } from '../numbers.js'
import { namesOf, readOptions } from '../options.js'
import { whyNoDescriptorPassing } from '../platform/descriptor-passing.js'
import { refuseAborted } from '../signals.js'
import { checkSignal } from './child.js'
import { checkArgs, checkCommand, programOf } from './command.js'
import type { Match } from './find-anywhere.js'
import type { ArgsForPort, SpawnListeningOptions } from './listening-child.js'
import { OUTPUT_MODES, type OutputMode, type PrintedTo } from './output.js'
import { checkReady, type Ready, readsOutput } from './ready.js'

/** The checked arguments of `spawnListening()`. */
export interface Plan {
  readonly path: string
  readonly args: readonly string[]
  /** Replaces `args` when the port is known. Throws what the user's function throws, or ERR_INVALID_ARG_TYPE for its result. */
  readonly argsFor: ArgsForPort | undefined
  /** Begins the headline of its errors. */
  readonly name: string
  readonly by: 'descriptor' | 'port'
  readonly ready: readonly Ready[]
  readonly match: Match | undefined
  readonly timeout: number
  readonly backlog: number | undefined
  readonly signal: AbortSignal | undefined
  readonly env: NodeJS.ProcessEnv
  /** The options of the process. */
  readonly child: {
    readonly cwd: string | URL | undefined
    readonly grace: number | undefined
    readonly stopSignal: NodeJS.Signals | undefined
    readonly output: OutputMode
    readonly printedTo?: PrintedTo | undefined
    readonly signal: AbortSignal | undefined
  }
}

/** Throws Node's codes for an invalid argument, ENOENT or EACCES for a program that cannot run, and ABORT_ERR. */
export function planOf(command: string, args: readonly string[] | ArgsForPort, options: SpawnListeningOptions): Plan {
  const fixed = typeof args === 'function' ? [] : args
  checkCommand(command, fixed, options)
  const { by = 'port', port, match, backlog, timeout = 10_000, grace, signal, output = 'buffer', stopSignal } = options
  if (by !== 'descriptor' && by !== 'port') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'by', "'port' or 'descriptor'", by)
  }
  if (backlog !== undefined) integer('backlog', backlog, 1)
  milliseconds('timeout', timeout)
  if (grace !== undefined) milliseconds('grace', grace)
  if (stopSignal !== undefined) checkSignal('stopSignal', stopSignal)
  if (!OUTPUT_MODES.includes(output)) {
    throw invalidArgument(
      'ERR_INVALID_ARG_VALUE',
      'output',
      `one of ${OUTPUT_MODES.map((mode) => `'${mode}'`).join(', ')}`,
      output,
    )
  }
  const ready = checkReady(options.ready)
  if (output === 'ignore' && readsOutput(ready)) {
    throw invalidArgument(
      'ERR_INVALID_ARG_VALUE',
      'output',
      "'buffer', because ready waits for a line of output",
      output,
    )
  }
  const anywhere = port === 'any'
  const checked = match === undefined ? undefined : checkMatch(match)
  if (checked !== undefined && !anywhere) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'match', "match only with port: 'any'", match, ANYWHERE)
  }
  if (!anywhere && port !== undefined && typeof port !== 'number' && !isReservation(port)) {
    throw invalidArgument(
      'ERR_SOCKET_BAD_PORT',
      'port',
      "an integer from 0 to 65535, a port reservation, or 'any'",
      port,
    )
  }
  for (const name of ['family', 'host'] as const) {
    if (!anywhere || options[name] === undefined) continue
    const given = options[name]
    throw invalidArgument('ERR_INVALID_ARG_VALUE', name, `no ${name} with port: 'any'`, given, MATCHED)
  }
  if (anywhere && typeof args === 'function') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'args', "an array of strings, because port is 'any'", args, UNKNOWN)
  }
  if (anywhere && by === 'descriptor') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'by', "'port', because port is 'any'", by)
  }
  if (backlog !== undefined && by === 'port') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'backlog', "backlog only with by: 'descriptor'", backlog, OWN)
  }
  const name = `start ${command}`
  refuseAborted(signal, name)
  const why = by === 'descriptor' ? whyNoDescriptorPassing(command) : undefined
  if (why !== undefined) {
    throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
      headline: `Cannot ${name} with a listening socket`,
      because: why,
      next: 'leave by out: the program then gets a number in PORT',
    })
  }
  const { cwd, env = process.env } = options
  const path = programOf(command, fixed, options, name)
  const child = { cwd, grace, stopSignal, output, signal }
  const argsFor = typeof args === 'function' ? checkedArgs(args) : undefined
  return { path, args: fixed, argsFor, name, by, ready, match: checked, timeout, backlog, signal, env, child }
}

const checkedArgs =
  (args: ArgsForPort): ArgsForPort =>
  (port) => {
    const result = args(port)
    checkArgs(result, ' as the result of the function')
    return result
  }

const UNKNOWN = 'leave port out: portside then picks the port, and the function gets its number'
const ANYWHERE = "pass port: 'any', or leave match out"
const MATCHED = 'pass match: { family }, or leave it out'
const OWN = 'leave backlog out: by port the program sets its own backlog'

const MATCH = {
  of: 'match',
  names: namesOf<Match>()('family', 'port', 'order'),
  example: "{ family: 'IPv4' }",
}

function checkMatch(given: Match): Match {
  const match = readOptions(given, MATCH)
  const { family, port, order } = match
  if (family !== undefined && family !== 'IPv4' && family !== 'IPv6') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'match.family', "'IPv4' or 'IPv6'", family)
  }
  if (order !== undefined) integer('match.order', order, 0)
  const expected = 'an integer from 1 to 65535, or an array of these'
  const ports: readonly unknown[] = readArgument('match.port', expected, port, () =>
    port === undefined ? [] : Array.isArray(port) ? Array.from(port) : [port],
  )
  if (port !== undefined && ports.length === 0) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'match.port', 'a port, or a list of at least one', port)
  }
  for (const one of ports) {
    if (typeof one === 'number' && Number.isInteger(one) && one > 0 && one < 65_536) continue
    throw invalidArgument('ERR_SOCKET_BAD_PORT', 'match.port', expected, one)
  }
  return port === undefined ? match : { ...match, port: ports as number[] }
}
