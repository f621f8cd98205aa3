import { calledBy } from '../caller.js'
import { invalidArgument } from '../errors.js'
import type { PortProtocol } from '../loopback/port-reservation.js'
import { openTcp } from '../servers/tcp.js'
import { openUdp } from '../servers/udp.js'
import { type EndpointOptions, readEndpointOptions, type TestEndpoint, testEndpoint } from './test-endpoint.js'

export interface OccupiedOptions extends EndpointOptions {
  /** Default `'tcp'`. The two have separate port spaces: an occupied TCP port is free for UDP (RFC 9293, RFC 768). */
  protocol?: PortProtocol
}

/**
 * An endpoint that somebody has: to listen on it fails with EADDRINUSE as long as it is held (bind(2)), on Linux also to
 * listen on its port of a wildcard address. A listener of this process has it, which takes connections and says nothing.
 * Rejects as `listenTcp()`.
 */
export function occupiedEndpoint(options: OccupiedOptions = {}): Promise<TestEndpoint> {
  return calledBy(occupiedEndpoint, () => occupy(readEndpointOptions(options, 'occupiedEndpoint', 'protocol')))
}

async function occupy(given: OccupiedOptions): Promise<TestEndpoint> {
  const { protocol = 'tcp', ...options } = given
  if (protocol !== 'tcp' && protocol !== 'udp') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'protocol', "'tcp' or 'udp'", protocol)
  }
  const server =
    protocol === 'udp'
      ? await openUdp('occupiedEndpoint', () => {}, options)
      : await openTcp('occupiedEndpoint', (socket) => void socket.resume(), options)
  return testEndpoint(server.endpoints, () => server.close({ grace: 0 }))
}
