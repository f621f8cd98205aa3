import net from 'node:net'
import { calledBy } from '../caller.js'
import { listenOnAddress } from '../servers/stream-server.js'
import { type EndpointOptions, readEndpointOptions, type TestEndpoint, testEndpoint } from './test-endpoint.js'

/**
 * An endpoint that connects and then does nothing: it never reads, never answers and never closes. A client can write
 * until the receive buffer here and its own send buffer are full (tcp(7)); then its writes stay queued. Closing it ends
 * the connections; a client with bytes that were never read sees a reset (RFC 9293 §3.6, RFC 2525 §2.17), where it is in
 * another process. Rejects as `listenTcp()`.
 */
export function stalledEndpoint(options: EndpointOptions = {}): Promise<TestEndpoint> {
  return calledBy(stalledEndpoint, async () => {
    const where = readEndpointOptions(options, 'stalledEndpoint')
    // Half-open, so that the end of a peer is not answered with one of ours.
    const listener = net.createServer({ pauseOnConnect: true, allowHalfOpen: true })
    const server = await listenOnAddress(listener, where, { opener: 'stalledEndpoint' })
    return testEndpoint(server.endpoints, () => server.close({ grace: 0 }))
  })
}
