import net from 'node:net'
import { readArgument } from '../argument.js'

export type Family = 'IPv4' | 'IPv6'

/** An address and a port, in the shape of `net.AddressInfo`. */
export interface Endpoint {
  readonly address: string
  readonly port: number
  readonly family: Family
}

/**
 * `127.0.0.1:3000`, `[::1]:3000`: the form of RFC 3986 §3.2.2, ready for a URL or a message. Throws ERR_INVALID_ARG_TYPE for
 * anything without an address and a port.
 */
export function formatEndpoint(endpoint: { readonly address: string; readonly port: number }): string {
  return readArgument('endpoint', 'an address and a port', endpoint, () => {
    const { address, port } = endpoint
    return typeof address === 'string' && typeof port === 'number' ? `${bracketed(address)}:${port}` : undefined
  })
}

/** An address as the host part of a URL. A zone index has no place in a WHATWG URL and is left out. */
export function bracketed(address: string): string {
  return net.isIPv6(address) ? `[${address.replace(/%.*$/, '')}]` : address
}

export const LOOPBACK: Readonly<Record<Family, string>> = { IPv4: '127.0.0.1', IPv6: '::1' }
export const WILDCARD: Readonly<Record<Family, string>> = { IPv4: '0.0.0.0', IPv6: '::' }

export function familyOf(address: string): Family {
  return net.isIPv6(address) ? 'IPv6' : 'IPv4'
}

/** `::ffff:127.0.0.1`, as a dual-stack socket names an IPv4 peer (ipv6(7)), is `127.0.0.1` to that peer. */
export function unmapped(address: string): string {
  return address.startsWith('::ffff:') && net.isIPv4(address.slice(7)) ? address.slice(7) : address
}

/**
 * An address as the kernel's tables have it: of several spellings the shortest (RFC 5952), without a zone, an IPv4-mapped
 * one as the IPv4 address. What is no address stays as it is.
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
