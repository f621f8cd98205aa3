import net from 'node:net'
import type { Endpoint } from '../loopback/endpoint.js'
import { bounded } from '../message.js'
import { infrastructure } from '../sockets/infrastructure.js'
import { clearTimeout, setTimeout } from '../timers.js'
import { type Condition, type ReadyAnswer, repeatable } from './condition.js'
import type { TcpReady } from './ready.js'

/** Sends the bytes and reads until the answer matches, on a new connection for each attempt. */
export function tcpCondition({ send, expect }: TcpReady): Condition {
  const sent = typeof send === 'string' ? JSON.stringify(bounded(send, LONGEST_SHOWN)) : `${send.length} bytes`
  const pattern = repeatable(expect)
  let quiet = QUIET
  return {
    expected: `${send.length === 0 ? 'a greeting' : `an answer to ${sent}`} that matches ${expect}`,
    describe: ({ body, error }) =>
      error?.message ??
      (body === ''
        ? send.length === 0
          ? 'no greeting'
          : 'no answer'
        : `the answer ${JSON.stringify(body?.slice(0, 500))}`),
    ask: (endpoint, signal) => {
      const answer = exchange(endpoint, send, pattern, quiet, signal)
      // A slow answer gets more time with each attempt.
      quiet = Math.min(quiet * 2, LONGEST_QUIET)
      return answer
    },
  }
}

function exchange(
  { address: host, port }: Endpoint,
  send: string | Uint8Array,
  pattern: RegExp,
  quiet: number,
  signal: AbortSignal,
): Promise<ReadyAnswer | undefined> {
  return new Promise((resolve) => {
    const socket = infrastructure(net.connect({ host, port }))
    let body = ''
    const settle = (answer: ReadyAnswer | undefined): void => {
      clearTimeout(timer)
      clearTimeout(silence)
      signal.removeEventListener('abort', cut)
      resolve(answer)
      // By a FIN: a reset would be an error in the program.
      if (socket.connecting || signal.aborted) socket.destroy()
      else socket.destroySoon()
    }
    const cut = (): void => settle({ body })
    const timer = setTimeout(cut, ATTEMPT)
    let silence: typeof timer | undefined
    signal.addEventListener('abort', cut, { once: true })
    socket.once('connect', () => void (send.length > 0 && socket.write(send)))
    socket.setEncoding('utf8').on('data', (text: string) => {
      body = (body + text).slice(-LARGEST)
      if (pattern.test(body)) return settle(undefined)
      // A server may answer "not yet" and keep the connection open.
      clearTimeout(silence)
      silence = setTimeout(cut, quiet)
    })
    socket.once('end', cut).on('error', (error) => settle({ error }))
  })
}

/** How many sent characters a message shows. */
const LONGEST_SHOWN = 100

/** How many characters of an answer are matched. */
const LARGEST = 65_536

/** How long an answer that does not match may pause: at the first attempt, and at most, in milliseconds. */
const QUIET = 50
const LONGEST_QUIET = 1000

/** Longest that one attempt waits, in milliseconds. */
const ATTEMPT = 5000
