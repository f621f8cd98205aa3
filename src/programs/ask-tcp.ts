import net from 'node:net'
import type { Endpoint } from '../loopback/endpoint.js'
import { infrastructure } from '../sockets/infrastructure.js'
import { clearTimeout, setTimeout } from '../timers.js'
import { type Condition, type ReadyAnswer, repeatable } from './condition.js'
import type { TcpReady } from './ready.js'

/** Sends the bytes and reads until the answer matches, on a connection of its own for each attempt. */
export function tcpCondition({ send, expect }: TcpReady): Condition {
  const sent = typeof send === 'string' ? JSON.stringify(send.slice(0, 100)) : `${send.length} bytes`
  const pattern = repeatable(expect)
  return {
    expected: `an answer to ${sent} that matches ${expect}`,
    ask: (endpoint, signal) => exchange(endpoint, send, pattern, signal),
  }
}

function exchange(
  { address: host, port }: Endpoint,
  send: string | Uint8Array,
  pattern: RegExp,
  signal: AbortSignal,
): Promise<ReadyAnswer | undefined> {
  return new Promise((resolve) => {
    const socket = infrastructure(net.connect({ host, port }))
    let body = ''
    const settle = (answer: ReadyAnswer | undefined): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', cut)
      resolve(answer)
      // By a FIN: a reset would be an error of the program's.
      if (socket.connecting || signal.aborted) socket.destroy()
      else socket.destroySoon()
    }
    const cut = (): void => settle({ body })
    const timer = setTimeout(cut, ATTEMPT)
    signal.addEventListener('abort', cut, { once: true })
    socket.once('connect', () => void (send.length > 0 && socket.write(send)))
    socket.setEncoding('utf8').on('data', (text: string) => {
      body = (body + text).slice(-LARGEST)
      if (pattern.test(body)) settle(undefined)
    })
    socket.once('end', cut).on('error', (error) => settle({ error }))
  })
}

/** Characters of an answer that are looked at. */
const LARGEST = 65_536

/** Longest that one attempt waits, in milliseconds. */
const ATTEMPT = 5000
