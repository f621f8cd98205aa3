import net from 'node:net'
import { codeOf, portsideError } from '../errors.js'
import { type Endpoint, toEndpoint } from '../loopback/endpoint.js'
import { printable } from '../loopback/endpoint-like.js'
import { describeErrno } from '../platform/errno.js'
import { infrastructure } from '../sockets/infrastructure.js'
import { clearTimeout, setTimeout, whenOverdue } from '../timers.js'

/** The answer of one address. */
export interface Answer {
  readonly place: Endpoint | string
  /** Undefined if it accepted. */
  readonly error?: Error
  /** The wait ended before it answered. */
  readonly cut?: boolean
  /** The close of an accepted connection. */
  readonly farewell?: Farewell
}

/** Connects to each once, for a second at most, or until the signal aborts. Resolves when its connections are closed. */
export async function ask(dials: net.NetConnectOpts[], giveUp: AbortSignal): Promise<Answer[]> {
  const answers = await dialEach(dials, giveUp)
  await farewells(answers, 'to the end')
  return answers
}

/** As `ask()`, without waiting for the connections to close: `farewells()` does that. */
export function dialEach(dials: net.NetConnectOpts[], giveUp: AbortSignal): Promise<Answer[]> {
  return Promise.all(dials.map((dial) => askOne(dial, giveUp)))
}

/** `later`: the connections close when the listener has accepted them, and do not keep this process alive. */
export async function farewells(answers: readonly Answer[], wait: 'to the end' | 'later'): Promise<void> {
  for (const { farewell } of answers) {
    if (wait === 'later') farewell?.unref()
    else await farewell?.over
  }
}

function askOne(dial: net.NetConnectOpts, giveUp: AbortSignal): Promise<Answer> {
  const place = 'path' in dial ? dial.path : toEndpoint(dial.host as string, dial.port)
  return new Promise((resolve) => {
    const socket = infrastructure(net.connect(dial))
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
    // A full accept queue does not answer. A later attempt may succeed.
    const cancel = whenOverdue(ATTEMPT, unanswered)
    giveUp.addEventListener('abort', cut, { once: true })
    if (giveUp.aborted) cut()
    // A reset comes from a listener that accepted the connection.
    socket.once('error', (error) => settle(codeOf(error) === 'ECONNRESET' ? {} : { error }))
    socket.once('connect', () => {
      if (isSelfConnected(socket)) {
        socket.resetAndDestroy()
        settle({ error: selfConnected(place) })
      } else {
        settle({ farewell: new Farewell(socket, giveUp) })
      }
    })
  })
}

/**
 * Ends this half of a connection and reads the other half until it ends. Unread bytes, and bytes after a close, would cause a
 * reset, which crashes a server without an error handler.
 */
export class Farewell {
  /** Resolves when the connection is closed: by the listener, by the signal, or when the listener has had its time. */
  readonly over: Promise<void>
  readonly #socket: net.Socket
  readonly #timer: NodeJS.Timeout

  constructor(socket: net.Socket, giveUp: AbortSignal) {
    this.#socket = socket
    const left = (): void => void socket.destroy()
    this.#timer = setTimeout(left, FAREWELL)
    giveUp.addEventListener('abort', left, { once: true })
    this.over = new Promise((resolve) => {
      const closed = (): void => {
        clearTimeout(this.#timer)
        giveUp.removeEventListener('abort', left)
        resolve()
      }
      if (socket.closed) closed()
      else socket.once('close', closed)
    })
    socket.on('error', () => {}).resume()
    socket.end()
  }

  /** A program may accept much later than it listens. */
  unref(): void {
    this.#socket.unref()
    this.#timer.unref()
  }
}

/** How long a listener gets to end its half of the connection, in milliseconds. */
const FAREWELL = 1000

/** Longest that one attempt waits for an answer, in milliseconds. */
const ATTEMPT = 1000

/**
 * A client may connect to a port of the ephemeral range and get the same port from the kernel. It then connects to itself: a
 * simultaneous open (RFC 9293 §3.5).
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
    actual: 'a connection of the port to itself',
    because: 'nothing listens there, and the kernel picked the same port for the client',
  })
}

export const describeDialled = ({ place, error }: Answer): string => `${printable(place)}: ${outcome(error)}`

function outcome(error: Error | undefined): string {
  if (error === undefined) return 'it accepts connections'
  const code = codeOf(error)
  return code === undefined ? error.message : `${code} (${describeErrno(code) ?? 'no answer'})`
}
