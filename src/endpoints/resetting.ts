import net from 'node:net'
import { calledBy } from '../caller.js'
import { invalidArgument } from '../errors.js'
import { listenOnAddress } from '../servers/stream-server.js'
import { type EndpointOptions, readEndpointOptions, type TestEndpoint, testEndpoint } from './test-endpoint.js'

export interface ResettingOptions extends EndpointOptions {
  /**
   * When it resets: `'accept'` (default), as soon as it has the connection; `'first-byte'`; or after so many bytes. A
   * client that ends before is reset then.
   */
  after?: 'accept' | 'first-byte' | number
}

/**
 * An endpoint that resets: each connection ends with a RST (RFC 9293 §3.5.2), which its client sees as ECONNRESET. The
 * kernel completes the handshake before this process hears of it, so with `'accept'` the error comes at the connect or
 * right after it. Rejects as `listenTcp()`, and with ERR_INVALID_ARG_VALUE or ERR_OUT_OF_RANGE for `after`.
 */
export function resettingEndpoint(options: ResettingOptions = {}): Promise<TestEndpoint> {
  return calledBy(resettingEndpoint, () => openResetting(readEndpointOptions(options, 'resettingEndpoint', 'after')))
}

async function openResetting(given: ResettingOptions): Promise<TestEndpoint> {
  const { after = 'accept', ...options } = given
  const bytes = bytesBefore(after)
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    if (bytes === 0) return void socket.resetAndDestroy()
    let read = 0
    socket.on('data', ({ length }) => {
      read += length
      if (read >= bytes) socket.resetAndDestroy()
    })
    socket.on('end', () => void socket.resetAndDestroy())
  })
  const listening = await listenOnAddress(server, options, { opener: 'resettingEndpoint' })
  return testEndpoint(listening.endpoints, () => listening.close({ grace: 0 }))
}

function bytesBefore(after: ResettingOptions['after']): number {
  if (after === 'accept') return 0
  if (after === 'first-byte') return 1
  const expected = "'accept', 'first-byte' or a number of bytes from 0 on"
  if (typeof after !== 'number') throw invalidArgument('ERR_INVALID_ARG_VALUE', 'after', expected, after)
  if (!(Number.isSafeInteger(after) && after >= 0)) throw invalidArgument('ERR_OUT_OF_RANGE', 'after', expected, after)
  return after
}
