import type { ChildProcess } from 'node:child_process'
import { readArgument } from '../argument.js'
import { calledBy } from '../caller.js'
import { codeOf, invalidArgument, portsideError } from '../errors.js'
import type { Endpoint } from '../loopback/endpoint.js'
import { dialsOf, type EndpointLike, namedBy, nameOf } from '../loopback/endpoint-like.js'
import { namesOf, readOptions } from '../options.js'
import { now } from '../timers.js'
import { type Answer, ask, describeDialled } from './ask.js'
import { type Endpoints, endpointsOf } from './endpoints.js'
import { poll } from './poll.js'
import { waitForAnswer } from './wait-for-answer.js'
import { waitForProcess } from './wait-for-process.js'
import { checkTimes, type ListeningWaitOptions, type WaitOptions } from './wait-options.js'

/**
 * Waits until the target accepts a connection, and resolves to the endpoints that accepted. The array also has the `address`,
 * `port` and `family` of the first. For the path of a unix socket it resolves to the path.
 *
 * - For `{ pid }` or a `ChildProcess` it resolves to all TCP endpoints on which the process, or one that it started, listens.
 * - If a `URL` object of http or https has a path, it also requests the URL until the status is from 200 to 399.
 * - It tries all addresses of a name, and the loopback addresses of both families for `localhost`.
 *
 * It connects and never binds: a bind could take the port from the listener. It closes the connection immediately without
 * sending a byte, and reads what the listener sends for up to one second. That leaves one TIME_WAIT: a reset would be an error
 * for the listener.
 *
 * @throws ERR_PORTSIDE_WAIT_TIMEOUT if the timeout expires; `cause` is the last error
 * @throws ESRCH if there is no process with the pid
 * @throws ERR_PORTSIDE_CHILD_EXITED if the process exits
 * @throws ERR_PORTSIDE_UNSUPPORTED if the system does not list the sockets of the process
 * @throws ABORT_ERR if `signal` aborts
 * @throws ERR_SOCKET_BAD_PORT if a port is invalid
 * @throws ERR_INVALID_ARG_TYPE if an argument has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if an argument has an invalid value
 * @throws ERR_OUT_OF_RANGE if a number is out of range
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```ts
 * import { listenTcp, waitForListening } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listenTcp()
 * const found = await waitForListening({ host: server.address, port: server.port }, { timeout: 5000 })
 * expect(found.port).toBe(server.port)
 * ```
 * @see `docs/programs.md#waitforlistening-and-waitforrefused`
 */
export function waitForListening(target: { readonly path: string }, options?: WaitOptions): Promise<string>
export function waitForListening(
  target: number | URL | { readonly port: number } | { readonly pid: number | undefined } | ChildProcess,
  options?: ListeningWaitOptions,
): Promise<Endpoints>
export function waitForListening(
  target: EndpointLike | { readonly pid: number | undefined } | ChildProcess,
  options?: ListeningWaitOptions,
): Promise<Endpoints | string>
export function waitForListening(target: Target, options: ListeningWaitOptions = {}): Promise<Endpoints | string> {
  return calledBy(waitForListening, async (): Promise<Endpoints | string> => {
    const read = readOptions(options, { of: 'waitForListening()', names: LISTENING, example: '{ timeout: 5000 }' })
    checkTimes(read)
    if (isProcess(target)) return waitForProcess(target.pid, read)
    // Throws if the target is invalid.
    namedBy(target as EndpointLike)
    if (read.ready !== undefined || readArgument('endpoint', TARGET, target, () => hasPath(target))) {
      return waitForAnswer(target as EndpointLike, read)
    }
    const found = await waitFor(target as EndpointLike, read, 'listening')
    return typeof found[0] === 'string' ? found[0] : endpointsOf(found as [Endpoint, ...Endpoint[]])
  })
}

/**
 * Waits until every address of the target refuses connections. Targets are as for `waitForListening()`, except processes.
 *
 * A unix socket that does not exist counts as refused. A name that does not resolve does not.
 *
 * @throws ERR_PORTSIDE_WAIT_TIMEOUT if the timeout expires; `cause` is the last error
 * @throws ABORT_ERR if `signal` aborts
 * @throws ERR_SOCKET_BAD_PORT if a port is invalid
 * @throws ERR_INVALID_ARG_TYPE if an argument has the wrong type
 * @throws ERR_OUT_OF_RANGE if a number is out of range
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```ts
 * import { listenTcp, waitForRefused } from 'portside'
 *
 * const server = await listenTcp()
 * await server.close()
 * await waitForRefused(server.endpoint)
 * ```
 * @see `docs/programs.md#waitforlistening-and-waitforrefused`
 */
export async function waitForRefused(target: EndpointLike, options: WaitOptions = {}): Promise<void> {
  await calledBy(waitForRefused, () => {
    const read = readOptions(options, { of: 'waitForRefused()', names: NAMES, example: '{ timeout: 5000 }' })
    checkTimes(read)
    return waitFor(target, read, 'refused')
  })
}

/** A `ChildProcess` that could not be started has no pid. */
type Target = EndpointLike | { readonly pid: number | undefined } | ChildProcess

const NAMES = namesOf<WaitOptions>()('timeout', 'interval', 'signal')
const LISTENING = namesOf<ListeningWaitOptions>()('timeout', 'interval', 'signal', 'ready')

const TARGET = 'an endpoint, a server, a URL, a port, { path } or { pid }'

/** Also true for a `ChildProcess`. */
function isProcess(target: Target): target is { readonly pid: number } {
  const names = ['port', 'path', 'endpoints', 'href']
  const [isOne, pid] = readArgument('endpoint', TARGET, target, () => {
    if (typeof target !== 'object' || target === null || !('pid' in target)) return [false]
    return names.some((name) => name in target) ? [false] : [true, target.pid]
  })
  if (!isOne || (Number.isInteger(pid) && (pid as number) > 0)) return isOne
  throw invalidArgument('ERR_INVALID_ARG_TYPE', 'pid', 'the pid of a process that was started', pid)
}

/** The root path does not count, because the `url` of every server has it: `http://127.0.0.1:3000/`. */
const hasPath = (target: unknown): boolean => {
  if (typeof target !== 'object' || target === null || !('href' in target)) return false
  const { protocol, pathname, search } = target as URL
  return (protocol === 'http:' || protocol === 'https:') && (pathname.length > 1 || search !== '')
}

async function waitFor(
  target: EndpointLike,
  { timeout = 10_000, interval = 20, signal }: WaitOptions,
  wanted: 'listening' | 'refused',
): Promise<Array<Endpoint | string>> {
  const dials = dialsOf(target)
  const name = nameOf(target)
  const asked =
    wanted === 'listening' ? `wait until ${name} is listening` : `wait until connections to ${name} are refused`
  const begun = now()
  let last: readonly Answer[] = []
  let attempts = 0
  const found = await poll(asked, { timeout, interval, signal }, async (giveUp) => {
    const answers = await ask(await dials(), giveUp)
    // If the end of the wait cuts an attempt off, the previous answers say more.
    if (last.length === 0 || (answers.length > 0 && !answers.some(({ cut }) => cut))) last = answers
    attempts++
    return wanted === 'listening' ? listeningOf(answers) : refusedBy(answers)
  })
  if (found !== undefined) return found
  throw expired({ asked, wanted, attempts, last, waited: now() - begun })
}

function listeningOf(answers: readonly Answer[]): Array<Endpoint | string> | undefined {
  const accepted = answers.filter(({ error }) => error === undefined).map(({ place }) => place)
  return accepted.length === 0 ? undefined : accepted
}

/** Kernel codes for an endpoint without a listener, including a unix socket that does not exist. */
const REFUSALS: ReadonlySet<string | undefined> = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'ERR_PORTSIDE_SELF_CONNECT',
])

function refusedBy(answers: readonly Answer[]): Array<Endpoint | string> | undefined {
  const refused = answers.length > 0 && answers.every(({ error }) => REFUSALS.has(codeOf(error)))
  return refused ? answers.map(({ place }) => place) : undefined
}

interface Expiry {
  readonly asked: string
  readonly wanted: 'listening' | 'refused'
  readonly attempts: number
  readonly last: readonly Answer[]
  readonly waited: number
}

function expired({ asked, wanted, attempts, last, waited }: Expiry): Error {
  const seen = last.map(describeDialled)
  const cause = last.find(({ error }) => error !== undefined)?.error
  return portsideError('ERR_PORTSIDE_WAIT_TIMEOUT', {
    headline: `Cannot ${asked}`,
    expected: wanted === 'listening' ? 'a connection' : 'ECONNREFUSED',
    actual: `${seen.join('; ') || 'a name that resolves to nothing'}, after ${attempts} attempts in ${Math.round(waited)} ms`,
    next: adviceFor(wanted, last),
    cause,
  })
}

function adviceFor(wanted: 'listening' | 'refused', last: readonly Answer[]): string {
  if (wanted === 'refused') return 'check what still listens there, or pass a longer timeout'
  if (last.length === 0) return 'check that the name is right and resolves here, or pass a longer timeout'
  const isPath = typeof last[0]?.place === 'string'
  return isPath
    ? 'check that the listener is up, at this path, or pass a longer timeout'
    : 'check that the listener is up, on this port and family, or pass a longer timeout'
}
