import net from 'node:net'
import { calledBy } from '../caller.js'
import { invalidArgument } from '../errors.js'
import { milliseconds } from '../numbers.js'
import { listenOnAddress } from '../servers/stream-server.js'
import { setTimeout, turn } from '../timers.js'
import { type Carry, Relay, type RelayTarget } from './relay.js'
import { type EndpointOptions, readEndpointOptions, type TestEndpoint, testEndpoint } from './test-endpoint.js'

export interface FragmentingOptions extends EndpointOptions {
  /** Bytes of each piece. Default 1. `Infinity` coalesces: what comes within `delay` of each other is written at once. */
  chunk?: number
  /** Milliseconds between two pieces. Default 0: the event loop polls once in between; with `Infinity`, 10. */
  delay?: number
}

/**
 * A relay to `target` that cuts the stream elsewhere than its writers did, in both directions: TCP carries bytes, not
 * messages (RFC 9293 §3.7), and a reader must not take a chunk for a write. Every byte arrives, in order, and ends and
 * resets are passed on.
 *
 * No piece is larger than `chunk`. A reader in this process gets them one by one; one elsewhere may get several at once
 * unless `delay` keeps them apart. Rejects as `listenTcp()`, and with ERR_OUT_OF_RANGE for `chunk` or `delay`.
 */
export function fragmentingEndpoint(target: RelayTarget, options: FragmentingOptions = {}): Promise<TestEndpoint> {
  return calledBy(fragmentingEndpoint, () =>
    fragment(target, readEndpointOptions(options, 'fragmentingEndpoint', 'chunk', 'delay')),
  )
}

async function fragment(target: RelayTarget, options: FragmentingOptions): Promise<TestEndpoint> {
  const { chunk = 1, delay = chunk === Number.POSITIVE_INFINITY ? 10 : 0, ...where } = options
  if (typeof chunk !== 'number') {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'chunk', 'a number of bytes from 1 on, or Infinity', chunk)
  }
  if (chunk !== Number.POSITIVE_INFINITY && !(Number.isSafeInteger(chunk) && chunk > 0)) {
    throw invalidArgument('ERR_OUT_OF_RANGE', 'chunk', 'a number of bytes from 1 on, or Infinity', chunk)
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

/** Two turns hold one whole poll for I/O, in which a reader in this process gets what was written. */
async function pause(delay: number): Promise<void> {
  if (delay > 0) await sleep(delay)
  else await turn().then(turn)
}

const sleep = (delay: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, delay))

/** Most that is held back before it is written, so that an endless stream does not fill the memory. */
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
