import net from 'node:net'
import { readArgument } from '../argument.js'

/** The family of an IP address. */
export type Family = 'IPv4' | 'IPv6'

/** An address and a port, in the shape of `net.AddressInfo`. */
export interface Endpoint {
  readonly address: string
  readonly port: number
  readonly family: Family
}

/**
 * Formats an endpoint for a URL or a message: `127.0.0.1:3000`, `[::1]:3000` (RFC 3986 §3.2.2). It leaves out a zone index,
 * which a URL cannot have.
 *
 * @throws ERR_INVALID_ARG_TYPE if the argument has no address and port
 * @example
 * ```ts
 * import { formatEndpoint } from 'portside'
 * import { expect } from 'vitest'
 *
 * expect(formatEndpoint({ address: '::1', port: 3000 })).toBe('[::1]:3000')
 * ```
 * @see `docs/loopback.md#formatendpoint`
 */
export function formatEndpoint(endpoint: { readonly address: string; readonly port: number }): string {
  return readArgument('endpoint', 'an address and a port', endpoint, () => {
    const { address, port } = endpoint
    return typeof address === 'string' && typeof port === 'number' ? `${bracketed(address)}:${port}` : undefined
  })
}

/** An address as the host part of a URL, without a zone index, which a WHATWG URL cannot have. */
export function bracketed(address: string): string {
  return net.isIPv6(address) ? `[${address.replace(/%.*$/, '')}]` : address
}

export const LOOPBACK: Readonly<Record<Family, string>> = { IPv4: '127.0.0.1', IPv6: '::1' }
export const WILDCARD: Readonly<Record<Family, string>> = { IPv4: '0.0.0.0', IPv6: '::' }

export function familyOf(address: string): Family {
  return net.isIPv6(address) ? 'IPv6' : 'IPv4'
}

/** Turns `::ffff:127.0.0.1`, as a dual-stack socket names an IPv4 peer (ipv6(7)), into `127.0.0.1`. */
export function unmapped(address: string): string {
  return address.startsWith('::ffff:') && net.isIPv4(address.slice(7)) ? address.slice(7) : address
}

/**
 * An address as the kernel's tables have it: in its shortest spelling (RFC 5952), without a zone, and an IPv4-mapped address
 * as IPv4. A text that is not an address stays unchanged.
 */
export function canonical(address: string): string {
  if (!net.isIPv6(address)) return address
  const short = new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname.slice(1, -1)
  const [, high, low] = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(short) ?? []
  if (high === undefined || low === undefined) return short
  const [left, right] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return [left >> 8, left & 255, right >> 8, right & 255].join('.')
}

export function toEndpoint(address: string, port: number): Endpoint {
  return { address, port, family: familyOf(address) }
}
