import net from 'node:net'
import { calledBy } from '../caller.js'
import { invalidArgument, portsideError } from '../errors.js'
import { addressesFor } from '../loopback/address.js'
import { type Family, toEndpoint } from '../loopback/endpoint.js'
import { ownAddresses } from '../loopback/own-addresses.js'
import { namesOf, readOptions } from '../options.js'
import { whyCodeIsLost } from '../platform/lost-codes.js'
import { bindOnce } from './bind-once.js'
import { type TestEndpoint, testEndpoint } from './test-endpoint.js'

/** The family of an address that this host lacks. */
export interface UnassignedOptions {
  /**
   * The family of the address.
   *
   * @default the first of `loopbackFamilies()`
   */
  family?: Family
}

/** Addresses that are reserved for documentation: RFC 5737 and RFC 3849. */
const DOCUMENTATION: Readonly<Record<Family, readonly string[]>> = {
  IPv4: ['192.0.2.219', '198.51.100.219', '203.0.113.219'],
  IPv6: ['2001:db8::db', '2001:db8:db::db'],
}

/** An unprivileged port, not assigned to any service (RFC 6335 §6). */
const PORT = 49_151

/**
 * Finds an address that this host lacks: listening on it, or connecting from it as `localAddress`, fails with EADDRNOTAVAIL
 * (ip(7), bind(2)).
 *
 * Bind the address, but do not connect to it: packets to it leave the host. portside asks the kernel once and holds nothing.
 *
 * @throws ERR_PORTSIDE_UNSUPPORTED if the kernel binds addresses that it does not have (`net.ipv4.ip_nonlocal_bind`), and under Deno,
 * which reports another code
 * @throws ERR_PORTSIDE_FAMILY_UNAVAILABLE if this host lacks the family
 * @throws ERR_INVALID_ARG_VALUE if `family` is not `'IPv4'` or `'IPv6'`
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```ts
 * import { once } from 'node:events'
 * import net from 'node:net'
 * import { unassignedEndpoint } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using endpoint = await unassignedEndpoint()
 * const [error] = await once(net.createServer().listen(endpoint.port, endpoint.address), 'error')
 * expect(error.code).toBe('EADDRNOTAVAIL')
 * ```
 * @see `docs/endpoints.md#unassignedendpoint`
 */
export function unassignedEndpoint(options: UnassignedOptions = {}): Promise<TestEndpoint> {
  const spec = {
    of: 'unassignedEndpoint()',
    names: namesOf<UnassignedOptions>()('family'),
    example: "{ family: 'IPv6' }",
  }
  return calledBy(unassignedEndpoint, () => findUnassigned(readOptions(options, spec)))
}

async function findUnassigned({ family }: UnassignedOptions): Promise<TestEndpoint> {
  if ((family as unknown) === 'dual')
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'family', "'IPv4' or 'IPv6'", family)
  const [loopback = ''] = (await addressesFor({ family }, 'find an address other than')).addresses
  const own = new Set(ownAddresses())
  const candidates = DOCUMENTATION[net.isIPv6(loopback) ? 'IPv6' : 'IPv4'].filter((address) => !own.has(address))
  const lost = whyCodeIsLost('EADDRNOTAVAIL')
  if (lost !== undefined) {
    throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
      headline: 'Cannot offer an address that this host lacks',
      because: lost,
      next: 'skip the test with this reason',
    })
  }
  for (const address of candidates) {
    if ((await bindOnce(address, 0)) === 'EADDRNOTAVAIL') {
      return testEndpoint([toEndpoint(address, PORT)], async () => {})
    }
  }
  throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline: 'Cannot find an address that this host lacks',
    expected: `EADDRNOTAVAIL from a bind to one of ${candidates.join(', ')}`,
    actual: 'a kernel that binds them',
    because: 'the kernel binds addresses that it does not have (ip_nonlocal_bind, or a local route)',
    next: 'turn net.ipv4.ip_nonlocal_bind off, or skip the test with this reason',
  })
}
