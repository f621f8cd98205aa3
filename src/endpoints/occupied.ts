import { calledBy } from '../caller.js'
import { invalidArgument } from '../errors.js'
import type { PortProtocol } from '../loopback/port-reservation.js'
import { openTcp } from '../servers/tcp.js'
import { openUdp } from '../servers/udp.js'
import { type EndpointOptions, readEndpointOptions, type TestEndpoint, testEndpoint } from './test-endpoint.js'

/** The address and protocol of an occupied port. */
export interface OccupiedOptions extends EndpointOptions {
  /**
   * The protocol of the port. TCP and UDP have separate port spaces: an occupied TCP port is free for UDP (RFC 9293, RFC 768).
   *
   * @default 'tcp'
   */
  protocol?: PortProtocol
}

/**
 * Occupies a port: listening on it fails with EADDRINUSE until you close the endpoint.
 *
 * On Linux, listening on its port of a wildcard address fails too (bind(2)). A listener of this process holds the port; it accepts
 * connections and sends nothing.
 *
 * @throws ERR_INVALID_ARG_VALUE if `protocol` is not `'tcp'` or `'udp'`
 * @throws the codes of `listenTcp()`
 * @example
 * ```ts
 * import { once } from 'node:events'
 * import net from 'node:net'
 * import { occupiedEndpoint } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using endpoint = await occupiedEndpoint()
 * const [error] = await once(net.createServer().listen(endpoint.port, endpoint.address), 'error')
 * expect(error.code).toBe('EADDRINUSE')
 * ```
 * @see `docs/endpoints.md#occupiedendpoint`
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
