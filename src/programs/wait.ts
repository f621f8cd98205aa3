import { setMaxListeners } from 'node:events'
import net from 'node:net'
import pWaitFor from 'p-wait-for'
import { calledBy } from '../caller.js'
import { codeOf, portsideError } from '../errors.js'
import { type Endpoint, toEndpoint } from '../loopback/endpoint.js'
import { dialsOf, type EndpointLike, nameOf, printable } from '../loopback/endpoint-like.js'
import { milliseconds } from '../numbers.js'
import { namesOf, readOptions } from '../options.js'
import { describeErrno } from '../platform/errno.js'
import { onAbort, refuseAborted } from '../signals.js'
import { clearTimeout, now, setTimeout, whenOverdue } from '../timers.js'

export interface WaitOptions {
  /** Milliseconds until the wait is given up. Default 10 000. */
  timeout?: number
  /** Milliseconds between two attempts. Default 20. */
  interval?: number
  signal?: AbortSignal
}

/**
 * Waits until somebody accepts connections there, and resolves with the endpoint that did. It asks by connecting, never
 * by binding, which would be in the way of the very listener that it waits for. A name is asked at all of its addresses:
 * `localhost` at the loopback addresses of both families. The connection is ended at once, without a byte, and the
 * listener heard out, for a second at most; it leaves one TIME_WAIT, because a reset would be an error at the listener's
 * side.
 *
 * Rejects with ERR_PORTSIDE_WAIT_TIMEOUT, whose `cause` is the last error seen; ABORT_ERR; ERR_SOCKET_BAD_PORT,
 * ERR_INVALID_ARG_TYPE or ERR_OUT_OF_RANGE for arguments that will not do.
 */
export function waitForListening(target: EndpointLike, options: WaitOptions = {}): Promise<Endpoint | string> {
  return calledBy(waitForListening, () => waitFor(target, readWait(options, 'waitForListening()'), 'listening'))
}

/** Waits until every address of the target refuses connections: the port went away. Otherwise as `waitForListening`. */
export async function waitForRefused(target: EndpointLike, options: WaitOptions = {}): Promise<void> {
  await calledBy(waitForRefused, () => waitFor(target, readWait(options, 'waitForRefused()'), 'refused'))
}

const NAMES = namesOf<WaitOptions>()('timeout', 'interval', 'signal')

const readWait = (options: WaitOptions, of: string): WaitOptions =>
  readOptions(options, { of, names: NAMES, example: '{ timeout: 5000 }' })

/** What one address answered. */
export interface Answer {
  readonly place: Endpoint | string
  /** Undefined: it accepted. */
  readonly error?: Error
  /** The wait was over before it answered. */
  readonly cut?: boolean
}

async function waitFor(
  target: EndpointLike,
  options: WaitOptions,
  wanted: 'listening' | 'refused',
): Promise<Endpoint | string> {
  const { timeout = 10_000, interval = 20, signal } = options
  milliseconds('timeout', timeout)
  milliseconds('interval', interval)
  const dials = dialsOf(target)
  const asked = `wait until ${nameOf(target)} is ${wanted}`
  refuseAborted(signal, asked)

  const giveUp = new AbortController()
  // Each pause listens to it.
  setMaxListeners(0, giveUp.signal)
  const cancel = whenOverdue(timeout, () => giveUp.abort())
  const forget = onAbort(signal, () => giveUp.abort())
  const begun = now()
  let last: Answer[] = []
  let attempts = 0
  try {
    const found = await pWaitFor<Endpoint | string>(
      async () => {
        const answers = await ask(await dials(), giveUp.signal)
        // An attempt that the end of the wait cut off says less than the one before.
        if (last.length === 0 || (answers.length > 0 && !answers.some(({ cut }) => cut))) last = answers
        attempts++
        const reached = wanted === 'listening' ? listeningOf(answers) : refusedBy(answers)
        return reached === undefined ? false : pWaitFor.resolveWith(reached)
      },
      { interval, signal: giveUp.signal },
    )
    refuseAborted(signal, asked)
    return found
  } catch (error) {
    refuseAborted(signal, asked)
    if (!giveUp.signal.aborted) throw error
    throw expired({ asked, wanted, attempts, last, waited: now() - begun })
  } finally {
    cancel()
    forget()
  }
}

const listeningOf = (answers: Answer[]): Endpoint | string | undefined =>
  answers.find(({ error }) => error === undefined)?.place

/** Codes with which a kernel says that nobody listens; of a unix socket also that there is none. */
const REFUSALS: ReadonlySet<string | undefined> = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'ERR_PORTSIDE_SELF_CONNECT',
])

function refusedBy(answers: Answer[]): Endpoint | string | undefined {
  const refused = answers.length > 0 && answers.every(({ error }) => REFUSALS.has(codeOf(error)))
  return refused ? answers[0]?.place : undefined
}

/** Dials each once, until it answers, for a second at most, or the signal is aborted; and leaves without a trace. */
export function ask(dials: net.NetConnectOpts[], giveUp: AbortSignal): Promise<Answer[]> {
  return Promise.all(dials.map((dial) => askOne(dial, giveUp)))
}

function askOne(dial: net.NetConnectOpts, giveUp: AbortSignal): Promise<Answer> {
  const place = 'path' in dial ? dial.path : toEndpoint(dial.host as string, dial.port)
  return new Promise((resolve) => {
    const socket = net.connect(dial)
    const settle = (answer: Omit<Answer, 'place'>): void => {
      cancel()
      giveUp.removeEventListener('abort', cut)
      resolve({ place, ...answer })
    }
    const unanswered = (): void => {
      socket.destroy()
      settle({ error: noAnswer(place) })
    }
    const cut = (): void => {
      socket.destroy()
      settle({ error: noAnswer(place), cut: true })
    }
    // An accept queue that is full does not answer. Dialled again, it may.
    const cancel = whenOverdue(ATTEMPT, unanswered)
    giveUp.addEventListener('abort', cut, { once: true })
    if (giveUp.aborted) cut()
    // Who resets a connection has had it.
    socket.once('error', (error) => settle(codeOf(error) === 'ECONNRESET' ? {} : { error }))
    socket.once('connect', async () => {
      cancel()
      giveUp.removeEventListener('abort', cut)
      if (isSelfConnected(socket)) {
        socket.resetAndDestroy()
        settle({ error: selfConnected(place) })
      } else {
        await leave(socket, giveUp)
        settle({})
      }
    })
  })
}

/**
 * Ends our half and hears the other out: bytes that nobody reads, and bytes that come after a close, are answered with a
 * reset, which many a server takes for the end of itself.
 */
async function leave(socket: net.Socket, giveUp: AbortSignal): Promise<void> {
  socket.on('error', () => {}).resume()
  socket.end()
  await new Promise<void>((resolve) => {
    const left = (): void => {
      clearTimeout(timer)
      giveUp.removeEventListener('abort', left)
      resolve()
    }
    const timer = setTimeout(left, FAREWELL)
    giveUp.addEventListener('abort', left, { once: true })
    socket.once('close', left)
  })
  socket.destroy()
}

/** How long a listener gets to end its half of a connection that said nothing, in milliseconds. */
const FAREWELL = 1000

/** Longest that one attempt waits for an answer, in milliseconds. */
const ATTEMPT = 1000

/**
 * A dial to a port of the ephemeral range may be given that very port as its own, and then meets itself: a simultaneous
 * open (RFC 9293 §3.5).
 */
function isSelfConnected({ localPort, localAddress, remotePort, remoteAddress }: net.Socket): boolean {
  return localPort !== undefined && localPort === remotePort && localAddress === remoteAddress
}

function noAnswer(place: Endpoint | string): Error {
  return portsideError('ERR_PORTSIDE_CONNECT_TIMEOUT', {
    headline: `Cannot connect to ${printable(place)}`,
    expected: 'an answer',
    actual: 'neither a connection nor an error',
    because: 'one of: the accept queue of the listener is full; nothing on the way answers',
  })
}

function selfConnected(place: Endpoint | string): Error {
  return portsideError('ERR_PORTSIDE_SELF_CONNECT', {
    headline: `Cannot connect to ${printable(place)}`,
    actual: 'a connection of the port with itself',
    because: 'nobody listens there, and the kernel picked that very port for the client',
  })
}

interface Expiry {
  readonly asked: string
  readonly wanted: 'listening' | 'refused'
  readonly attempts: number
  readonly last: readonly Answer[]
  readonly waited: number
}

function expired({ asked, wanted, attempts, last, waited }: Expiry): Error {
  const seen = last.map(({ place, error }) => `${printable(place)}: ${outcome(error)}`)
  const cause = last.find(({ error }) => error !== undefined)?.error
  return portsideError('ERR_PORTSIDE_WAIT_TIMEOUT', {
    headline: `Cannot ${asked}`,
    expected: wanted === 'listening' ? 'a connection' : 'ECONNREFUSED',
    actual: `${seen.join('; ') || 'a name that resolves to nothing'}, after ${attempts} attempts in ${Math.round(waited)} ms`,
    next:
      wanted === 'listening'
        ? 'see whether the listener is up, on this port and this family, or give a longer timeout'
        : 'see who still listens there, or give a longer timeout',
    cause,
  })
}

function outcome(error: Error | undefined): string {
  if (error === undefined) return 'it accepts connections'
  const code = codeOf(error)
  return code === undefined ? error.message : `${code} (${describeErrno(code) ?? 'no answer'})`
}
