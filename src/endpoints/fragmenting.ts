import net from 'node:net'
import { calledBy } from '../caller.js'
import { invalidArgument } from '../errors.js'
import { milliseconds } from '../numbers.js'
import { listenOnAddress } from '../servers/stream-server.js'
import { setTimeout, turn } from '../timers.js'
import { type Carry, Relay, type RelayTarget } from './relay.js'
import { type EndpointOptions, readEndpointOptions, type TestEndpoint, testEndpoint } from './test-endpoint.js'

/** The size and timing of the pieces. */
export interface FragmentingOptions extends EndpointOptions {
  /**
   * Bytes of each piece. `Infinity` coalesces: bytes that arrive within `delay` of each other are written at once.
   *
   * @default 1
   */
  chunk?: number
  /**
   * Milliseconds between two pieces. With 0 the event loop polls once in between.
   *
   * @default 0, or 10 if `chunk` is `Infinity`
   */
  delay?: number
}

/**
 * Forwards bytes to and from `target`, but splits them at other places than the sender did.
 *
 * TCP carries bytes, not messages (RFC 9293 §3.7), so a reader must not take a chunk for a write. Every byte arrives, in order; ends
 * and resets are passed on. A reader in this process gets pieces of at most `chunk` bytes, one by one. A reader in another process
 * may get several at once, unless `delay` keeps them apart. If the target cannot be reached, the client is reset.
 *
 * @throws ERR_INVALID_ARG_TYPE if `target` is not an endpoint, a server or `{ path }`, or `chunk` or `delay` is not a number
 * @throws ERR_OUT_OF_RANGE if `chunk` is not an integer from 1 or Infinity, or `delay` is out of its range
 * @throws the codes of `listenTcp()`
 * @example
 * ```ts
 * import { text } from 'node:stream/consumers'
 * import { createSocketPool, fragmentingEndpoint, listenTcp } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using server = await listenTcp((socket) => void socket.end('one\ntwo\n'))
 * await using endpoint = await fragmentingEndpoint(server, { chunk: 3 })
 * await using pool = createSocketPool()
 * expect(await text(await pool.connect(endpoint))).toBe('one\ntwo\n')
 * ```
 * @see `docs/endpoints.md#fragmentingendpoint`
 */
export function fragmentingEndpoint(target: RelayTarget, options: FragmentingOptions = {}): Promise<TestEndpoint> {
  return calledBy(fragmentingEndpoint, () =>
    fragment(target, readEndpointOptions(options, 'fragmentingEndpoint', 'chunk', 'delay')),
  )
}

async function fragment(target: RelayTarget, options: FragmentingOptions): Promise<TestEndpoint> {
  const { chunk = 1, delay = chunk === Number.POSITIVE_INFINITY ? 10 : 0, ...where } = options
  if (typeof chunk !== 'number') {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'chunk', 'a number of bytes, at least 1, or Infinity', chunk)
  }
  if (chunk !== Number.POSITIVE_INFINITY && !(Number.isSafeInteger(chunk) && chunk > 0)) {
    throw invalidArgument('ERR_OUT_OF_RANGE', 'chunk', 'a number of bytes, at least 1, or Infinity', chunk)
  }
  milliseconds('delay', delay)
  const relay = new Relay(target, chunk === Number.POSITIVE_INFINITY ? coalesced(delay) : fragmented(chunk, delay))
  const server = await listenOnAddress(
    net.createServer({ allowHalfOpen: true }, (socket) => relay.join(socket)),
    where,
    { opener: 'fragmentingEndpoint' },
  )
  return testEndpoint(server.endpoints, async () => {
    await server.close({ grace: 0 })
    await relay.close()
  })
}

function fragmented(chunk: number, delay: number): Carry {
  return async function* (bytes) {
    for await (const data of bytes) {
      for (let at = 0; at < data.length; at += chunk) {
        yield data.subarray(at, at + chunk)
        await pause(delay)
      }
    }
  }
}

/** Two turns contain one whole poll for I/O, in which a reader in this process gets the piece. */
async function pause(delay: number): Promise<void> {
  if (delay > 0) await sleep(delay)
  else await turn().then(turn)
}

const sleep = (delay: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, delay))

/** The most bytes held back, because an endless stream would fill the memory. */
const HELD_BACK = 1_048_576

function coalesced(delay: number): Carry {
  return async function* (bytes) {
    const source = bytes[Symbol.asyncIterator]()
    let held: Buffer[] = []
    let next = source.next()
    for (;;) {
      const quiet = held.length > 0 && (await Promise.race([next.then(() => false), sleep(delay).then(() => true)]))
      if (quiet || held.reduce((sum, { length }) => sum + length, 0) >= HELD_BACK) {
        yield Buffer.concat(held)
        held = []
        continue
      }
      const { done, value } = await next
      if (done) break
      held.push(value)
      next = source.next()
    }
    if (held.length > 0) yield Buffer.concat(held)
  }
}
