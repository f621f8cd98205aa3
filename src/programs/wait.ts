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
 * Waits until a connection to the target is accepted, and resolves with the endpoints that accepted one. The array has the `address`,
 * `port` and `family` of its first. For the path of a unix socket it resolves with the path.
 *
 * Of a process, `{ pid }`, it finds the TCP ports on which the process, or one that it started, listens, and resolves with all of
 * them. A URL of HTTP that has a path is also asked, until the answer has a status from 200 to 399; so is what `ready` says.
 *
 * It connects and never binds: a bind could take the port from the listener that it waits for. It asks a name at all of its
 * addresses, and `localhost` at the loopback addresses of both families. It closes its connection at once, without a byte, and reads
 * what the listener sends, for a second at most. That leaves one TIME_WAIT, because a reset would be an error at the listener.
 *
 * Rejects with ERR_PORTSIDE_WAIT_TIMEOUT, whose `cause` is the last error seen; ESRCH if there is no such process, and
 * ERR_PORTSIDE_CHILD_EXITED if it ends; ABORT_ERR; ERR_SOCKET_BAD_PORT, ERR_INVALID_ARG_TYPE or ERR_OUT_OF_RANGE for invalid
 * arguments.
 */
export function waitForListening(target: { readonly path: string }, options?: WaitOptions): Promise<string>
export function waitForListening(
  target: number | URL | { readonly port: number } | ProcessLike,
  options?: ListeningWaitOptions,
): Promise<Endpoints>
export function waitForListening(
  target: EndpointLike | ProcessLike,
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

/** Waits until every address of the target refuses connections: the port went away. Otherwise as `waitForListening`. */
export async function waitForRefused(target: EndpointLike, options: WaitOptions = {}): Promise<void> {
  await calledBy(waitForRefused, () => {
    const read = readOptions(options, { of: 'waitForRefused()', names: NAMES, example: '{ timeout: 5000 }' })
    checkTimes(read)
    return waitFor(target, read, 'refused')
  })
}

/** Node has no pid in a `ChildProcess` that could not be started. */
type ProcessLike = { readonly pid: number | undefined } | ChildProcess

type Target = EndpointLike | ProcessLike

const NAMES = namesOf<WaitOptions>()('timeout', 'interval', 'signal')
const LISTENING = namesOf<ListeningWaitOptions>()('timeout', 'interval', 'signal', 'ready')

const TARGET = 'an endpoint, a server, a URL, a port, { path } or { pid }'

/** A `ChildProcess` is one, too. */
function isProcess(target: Target): target is { readonly pid: number } {
  const names = ['port', 'path', 'endpoints', 'href']
  const [isOne, pid] = readArgument('endpoint', TARGET, target, () => {
    if (typeof target !== 'object' || target === null || !('pid' in target)) return [false]
    return names.some((name) => name in target) ? [false] : [true, target.pid]
  })
  if (!isOne || (Number.isInteger(pid) && (pid as number) > 0)) return isOne
  throw invalidArgument('ERR_INVALID_ARG_TYPE', 'pid', 'the number of a process that was started', pid)
}

/** The root of a server is its address, too: `http://127.0.0.1:3000/` is what `url` of any server says. */
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
  const asked = `wait until ${nameOf(target)} is ${wanted}`
  const begun = now()
  let last: readonly Answer[] = []
  let attempts = 0
  const found = await poll(asked, { timeout, interval, signal }, async (giveUp) => {
    const answers = await ask(await dials(), giveUp)
    // An attempt that the end of the wait cut off says less than the one before.
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

/** Codes with which a kernel says that nobody listens; of a unix socket also that there is none. */
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
  if (wanted === 'refused') return 'see who still listens there, or pass a longer timeout'
  if (last.length === 0) return 'see whether the name is right and resolves here, or pass a longer timeout'
  const isPath = typeof last[0]?.place === 'string'
  return isPath
    ? 'see whether the listener is up, at this path, or pass a longer timeout'
    : 'see whether the listener is up, on this port and this family, or pass a longer timeout'
}
