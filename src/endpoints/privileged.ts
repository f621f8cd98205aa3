import { calledBy } from '../caller.js'
import { portsideError } from '../errors.js'
import { addressesFor } from '../loopback/address.js'
import { formatEndpoint, toEndpoint } from '../loopback/endpoint.js'
import { everyUserMayBind, firstUnprivilegedPort } from '../platform/privileged-ports.js'
import { bindOnce } from './bind-once.js'
import { type EndpointOptions, readEndpointOptions, type TestEndpoint, testEndpoint } from './test-endpoint.js'

/**
 * Finds a privileged port: listening on it fails with EACCES.
 *
 * On Linux these are the ports below `net.ipv4.ip_unprivileged_port_start`, for processes without CAP_NET_BIND_SERVICE (ip(7),
 * capabilities(7)). portside asks the kernel once and holds nothing.
 *
 * @throws ERR_PORTSIDE_UNSUPPORTED if this process may bind the port, for example as root; skip the test with the message
 * @throws ERR_INVALID_ARG_VALUE if `family` is unknown or contradicts `host`
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @throws ERR_PORTSIDE_FAMILY_UNAVAILABLE if this host lacks the family
 * @example
 * ```ts
 * import { once } from 'node:events'
 * import net from 'node:net'
 * import { privilegedEndpoint } from 'portside'
 * import { expect } from 'vitest'
 *
 * const endpoint = await privilegedEndpoint().catch(({ code }) => void expect(code).toBe('ERR_PORTSIDE_UNSUPPORTED'))
 * const server = endpoint && net.createServer().listen(endpoint.port, endpoint.address)
 * if (server) expect((await once(server, 'error'))[0].code).toBe('EACCES')
 * ```
 * @see `docs/endpoints.md#privilegedendpoint`
 */
export function privilegedEndpoint(options: EndpointOptions = {}): Promise<TestEndpoint> {
  return calledBy(privilegedEndpoint, () => findPrivileged(readEndpointOptions(options, 'privilegedEndpoint')))
}

async function findPrivileged(options: EndpointOptions): Promise<TestEndpoint> {
  const first = firstUnprivilegedPort()
  const { addresses } = await addressesFor(options, 'find a privileged port on')
  // The kernel checks the privilege before it checks whether the port is taken.
  const endpoints = addresses.map((address) => toEndpoint(address, first - 1))
  if (first <= 1) throw unprivileged('this host has no privileged port', 'every process may bind every port')
  for (const { address, port } of endpoints) {
    const code = await bindOnce(address, port)
    if (code === 'EACCES') continue
    throw unprivileged(
      `a bind to ${formatEndpoint({ address, port })} that ${code === undefined ? 'succeeds' : `fails with ${code}`}`,
      process.getuid?.() === 0
        ? 'this process runs as root'
        : everyUserMayBind(address)
          ? 'macOS lets every user bind every port of a wildcard address'
          : 'this process may bind privileged ports (CAP_NET_BIND_SERVICE), or the host lets every process do so',
    )
  }
  return testEndpoint(endpoints, async () => {})
}

function unprivileged(actual: string, because: string): Error {
  return portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline: 'Cannot find a port that this process may not bind',
    expected: 'EACCES',
    actual,
    because,
    next: 'run the test as a user other than root, or skip it with this reason',
  })
}
