import { isIPv4, isIPv6 } from 'node:net'
import type { SocketAddress } from './socket-entry.js'

/** `127.0.0.1:80`, `[::1]:80`, `*:80`, as lsof and netstat print them. Undefined for anything else, and without a port. */
export function splitEnd(text: string): { readonly host: string; readonly port: number } | undefined {
  const [, bracketed, bare = '', digits] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  return port > 0 && port < 65_536 ? { host: bracketed ?? bare, port } : undefined
}

/** Undefined if it is not an address. An IPv4-mapped address becomes IPv4. */
export function socketAddress(host: string, port: number): SocketAddress | undefined {
  const address = host.replace(/^::ffff:(?=\d+\.)/i, '')
  if (isIPv4(address)) return { address, port, family: 'IPv4' }
  return isIPv6(address) ? { address, port, family: 'IPv6' } : undefined
}
