import { calledBy } from '../caller.js'
import { portsideError } from '../errors.js'
import { addressesFor } from '../loopback/address.js'
import { formatEndpoint, toEndpoint } from '../loopback/endpoint.js'
import { firstUnprivilegedPort } from '../platform/privileged-ports.js'
import { bindOnce } from './bind-once.js'
import { type EndpointOptions, readEndpointOptions, type TestEndpoint, testEndpoint } from './test-endpoint.js'

/**
 * An endpoint that this process may not bind: to listen on it fails with EACCES, because its port is privileged. Which
 * ports are is the host's policy: those below `net.ipv4.ip_unprivileged_port_start`, for processes without
 * CAP_NET_BIND_SERVICE (ip(7), capabilities(7)).
 *
 * Nothing is held; the kernel was asked for it once. Rejects with ERR_PORTSIDE_UNSUPPORTED and the reason where this
 * process may bind it, as root in a container does, so that a test can skip itself.
 */
export function privilegedEndpoint(options: EndpointOptions = {}): Promise<TestEndpoint> {
  return calledBy(privilegedEndpoint, () => findPrivileged(readEndpointOptions(options, 'privilegedEndpoint')))
}

async function findPrivileged(options: EndpointOptions): Promise<TestEndpoint> {
  const first = firstUnprivilegedPort()
  const { addresses } = await addressesFor(options, 'find a privileged port on')
  // The kernel checks the privilege before it looks whether the port is taken.
  const endpoints = addresses.map((address) => toEndpoint(address, first - 1))
  if (first <= 1) throw unprivileged('this host has no privileged port', 'every port may be bound by everybody')
  for (const { address, port } of endpoints) {
    const code = await bindOnce(address, port)
    if (code === 'EACCES') continue
    throw unprivileged(
      `a bind to ${formatEndpoint({ address, port })} that ${code === undefined ? 'succeeds' : `fails with ${code}`}`,
      process.getuid?.() === 0
        ? 'this process runs as root'
        : 'this process may bind privileged ports (CAP_NET_BIND_SERVICE), or the host lets everybody',
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
    next: 'run the test as another user than root, or skip it with this reason',
  })
}
