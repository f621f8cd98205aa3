import { type Endpoint, LOOPBACK, WILDCARD } from './endpoint.js'
import { loopbackFamilies } from './probe.js'

/**
 * Where a client dials to reach a listener: a wildcard address is one to bind, not one to connect to (ip(7)). A host whose
 * IPv6 is off binds `::` all the same, and lacks `::1`: such a listener is met by IPv4 (ipv6(7), IPV6_V6ONLY).
 */
export function dialAddress({ address, family }: Pick<Endpoint, 'address' | 'family'>): string {
  if (address !== WILDCARD[family]) return address
  const families = loopbackFamilies()
  return family === 'IPv6' && families.length > 0 && !families.includes('IPv6') ? LOOPBACK.IPv4 : LOOPBACK[family]
}
