import { invalidArgument, portsideError } from '../errors.js'
import { integer, milliseconds } from '../numbers.js'
import { namesOf, readOptions } from '../options.js'
import { whyNoDescriptorPassing } from '../platform/descriptor-passing.js'
import { refuseAborted } from '../signals.js'
import { checkSignal } from './child.js'
import { checkCommand, programOf } from './command.js'
import type { Match } from './find-anywhere.js'
import type { SpawnListeningOptions } from './listening-child.js'
import { OUTPUT_MODES, type OutputMode, type PrintedTo } from './output.js'
import { checkReady, type Ready, readsOutput } from './ready.js'

/** What is to be started, and how, with everything checked. */
export interface Plan {
  readonly path: string
  readonly args: readonly string[]
  /** What its errors say was to be done. */
  readonly name: string
  readonly by: 'descriptor' | 'port'
  readonly ready: readonly Ready[]
  readonly match: Match | undefined
  readonly timeout: number
  readonly backlog: number | undefined
  readonly signal: AbortSignal | undefined
  readonly env: NodeJS.ProcessEnv
  /** What the process itself is given. */
  readonly child: {
    readonly cwd: string | URL | undefined
    readonly grace: number | undefined
    readonly stopSignal: NodeJS.Signals | undefined
    readonly output: OutputMode
    readonly printedTo?: PrintedTo | undefined
    readonly signal: AbortSignal | undefined
  }
}

/** Throws for a bad argument, with Node's codes; ENOENT or EACCES if there is no such program; ABORT_ERR. */
export function planOf(command: string, args: readonly string[], options: SpawnListeningOptions): Plan {
  checkCommand(command, args, options)
  const { by = 'port', port, match, backlog, timeout = 10_000, grace, signal, output = 'buffer', stopSignal } = options
  if (by !== 'descriptor' && by !== 'port') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'by', "'port' or 'descriptor'", by)
  }
  if (backlog !== undefined) integer('backlog', backlog, 1)
  milliseconds('timeout', timeout)
  if (grace !== undefined) milliseconds('grace', grace)
  if (stopSignal !== undefined) checkSignal('stopSignal', stopSignal)
  if (!OUTPUT_MODES.includes(output)) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'output', OUTPUT_MODES.map((mode) => `'${mode}'`).join(', '), output)
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
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'match', "nothing without port: 'any'", match)
  }
  for (const name of ['family', 'host'] as const) {
    if (!anywhere || options[name] === undefined) continue
    throw invalidArgument(
      'ERR_INVALID_ARG_VALUE',
      name,
      "nothing with port: 'any': pass match: { family }",
      options[name],
    )
  }
  if (anywhere && by === 'descriptor') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'by', "'port' with port: 'any', which a program picks by itself", by)
  }
  if (backlog !== undefined && by === 'port') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'backlog', "nothing without by: 'descriptor'", backlog)
  }
  const name = `start ${command}`
  refuseAborted(signal, name)
  const why = by === 'descriptor' ? whyNoDescriptorPassing() : undefined
  if (why !== undefined) {
    throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
      headline: `Cannot ${name} with a listening socket`,
      because: why,
      next: 'leave by out, for a program that listens on the number in PORT',
    })
  }
  const { cwd, env = process.env } = options
  const path = programOf(command, args, options, name)
  const child = { cwd, grace, stopSignal, output, signal }
  return { path, args, name, by, ready, match: checked, timeout, backlog, signal, env, child }
}

const MATCH = {
  of: 'match',
  names: namesOf<Match>()('family', 'port', 'order'),
  example: "{ family: 'IPv4' }",
}

function checkMatch(given: Match): Match {
  const match = readOptions(given, MATCH)
  const { family, port, order } = match
  if (family !== undefined && family !== 'IPv4' && family !== 'IPv6') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'family', "'IPv4' or 'IPv6'", family)
  }
  if (order !== undefined) integer('order', order, 0)
  const ports = port === undefined ? [] : Array.isArray(port) ? port : [port]
  for (const one of ports) {
    if (Number.isInteger(one) && one > 0 && one < 65_536) continue
    throw invalidArgument('ERR_SOCKET_BAD_PORT', 'port', 'an integer from 1 to 65535, or a list of these', one)
  }
  return match
}
