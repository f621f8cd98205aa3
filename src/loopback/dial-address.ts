import { type Endpoint, LOOPBACK, WILDCARD } from './endpoint.js'
import { loopbackFamilies } from './probe.js'

/**
 * The address that a client connects to, to reach a listener. A wildcard address is for binding, not for connecting (ip(7)). A host
 * with IPv6 off can still bind `::` but lacks `::1`: IPv4 reaches such a listener (ipv6(7), IPV6_V6ONLY).
 */
export function dialAddress({ address, family }: Pick<Endpoint, 'address' | 'family'>): string {
  if (address !== WILDCARD[family]) return address
  const families = loopbackFamilies()
  return family === 'IPv6' && families.length > 0 && !families.includes('IPv6') ? LOOPBACK.IPv4 : LOOPBACK[family]
}
