import net from 'node:net'
import { calledBy } from '../caller.js'
import { listenOnAddress } from '../servers/stream-server.js'
import { type EndpointOptions, readEndpointOptions, type TestEndpoint, testEndpoint } from './test-endpoint.js'

/**
 * Accepts connections and then does nothing: it never reads, answers or closes.
 *
 * A client can write until the receive buffer here and its own send buffer are full (tcp(7)); later writes stay queued. Closing the
 * endpoint closes the connections. A client in another process sees a reset if it had sent bytes that were never read (RFC 9293 §3.6,
 * RFC 2525 §2.17).
 *
 * @throws the codes of `listenTcp()`
 * @example
 * ```ts
 * import { formatEndpoint, stalledEndpoint } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using endpoint = await stalledEndpoint()
 * const fetching = fetch(`http://${formatEndpoint(endpoint)}`, { signal: AbortSignal.timeout(100) })
 * await expect(fetching).rejects.toMatchObject({ name: 'TimeoutError' })
 * ```
 * @see `docs/endpoints.md#stalledendpoint`
 */
export function stalledEndpoint(options: EndpointOptions = {}): Promise<TestEndpoint> {
  return calledBy(stalledEndpoint, async () => {
    const where = readEndpointOptions(options, 'stalledEndpoint')
    // Half-open, because otherwise Node would answer the peer's FIN with its own.
    const listener = net.createServer({ pauseOnConnect: true, allowHalfOpen: true })
    const server = await listenOnAddress(listener, where, { opener: 'stalledEndpoint' })
    return testEndpoint(server.endpoints, () => server.close({ grace: 0 }))
  })
}
