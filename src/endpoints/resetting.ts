import net from 'node:net'
import { calledBy } from '../caller.js'
import { invalidArgument } from '../errors.js'
import { listenOnAddress } from '../servers/stream-server.js'
import { type EndpointOptions, readEndpointOptions, type TestEndpoint, testEndpoint } from './test-endpoint.js'

/** When a connection is reset. */
export interface ResettingOptions extends EndpointOptions {
  /**
   * `'accept'` resets as soon as the connection is accepted, `'first-byte'` at the first byte, a number after that many bytes. If
   * the client ends its half earlier, the connection is reset at that moment.
   *
   * @default 'accept'
   */
  after?: 'accept' | 'first-byte' | number
}

/**
 * Resets every connection: it closes with a RST (RFC 9293 §3.5.2), which the client sees as ECONNRESET.
 *
 * It never answers. With `after: 'accept'` the error comes at the connect or right after it, because the kernel completes the handshake
 * before Node learns of it (listen(2)).
 *
 * @throws ERR_INVALID_ARG_VALUE if `after` is not `'accept'`, `'first-byte'` or a number
 * @throws ERR_OUT_OF_RANGE if `after` is not an integer from 0
 * @throws the codes of `listenTcp()`
 * @example
 * ```ts
 * import { formatEndpoint, resettingEndpoint } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using endpoint = await resettingEndpoint({ after: 'first-byte' })
 * const fetching = fetch(`http://${formatEndpoint(endpoint)}`)
 * await expect(fetching).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } })
 * ```
 * @see `docs/endpoints.md#resettingendpoint`
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
  const expected = "'accept', 'first-byte' or a number of bytes, at least 0"
  if (typeof after !== 'number') throw invalidArgument('ERR_INVALID_ARG_VALUE', 'after', expected, after)
  if (!(Number.isSafeInteger(after) && after >= 0)) throw invalidArgument('ERR_OUT_OF_RANGE', 'after', expected, after)
  return after
}
