import net from 'node:net'
import { invalidArgument } from '../errors.js'
import { validPort } from '../loopback/address.js'
import { dialAddress, type Endpoint, formatEndpoint, LOOPBACK, toEndpoint } from '../loopback/endpoint.js'
import { loopbackFamilies } from '../loopback/probe.js'

/** Where to wait: an endpoint, a server, a URL, a port of `localhost`, or the path of a unix socket. */
export type WaitTarget =
  | Pick<Endpoint, 'address' | 'port'>
  | { readonly host?: string; readonly port: number }
  | { readonly path: string }
  | URL
  | number

/** Gives, for each attempt, what to dial. A name is looked up each time: it may not resolve yet. */
export function dialsOf(target: WaitTarget): () => Promise<net.NetConnectOpts[]> | net.NetConnectOpts[] {
  if (typeof target === 'object' && target !== null && 'path' in target) {
    if (typeof target.path !== 'string' || target.path === '') throw badTarget(target)
    return () => [{ path: target.path }]
  }
  const { host, port } = hostAndPort(target)
  if (port === 0) throw invalidArgument('ERR_SOCKET_BAD_PORT', 'port', 'an integer from 1 to 65535', port)
  if (net.isIP(host) !== 0) return () => [{ host: dialAddress(toEndpoint(host, port)), port }]
  return async () => {
    const { lookup } = await import('node:dns/promises')
    const found = await lookup(host, { all: true }).catch(() => [])
    const addresses = new Set(found.map(({ address }) => address))
    // Whatever the host's table says: a listener on the other family is one on localhost to most people.
    if (host === 'localhost') for (const family of loopbackFamilies()) addresses.add(LOOPBACK[family])
    return [...addresses].map((address) => ({ host: address, port }))
  }
}

function hostAndPort(target: WaitTarget): { host: string; port: number } {
  if (typeof target === 'number') return { host: 'localhost', port: validPort(target) }
  if (typeof target !== 'object' || target === null) throw badTarget(target)
  if ('href' in target) return fromUrl(target as URL)
  const { address, host, port } = target as { address?: unknown; host?: unknown; port?: number }
  const name = address ?? host ?? 'localhost'
  if (typeof name !== 'string' || name === '') throw badTarget(target)
  return { host: name, port: validPort(port ?? null) }
}

function fromUrl({ hostname, port, protocol }: URL): { host: string; port: number } {
  const standard = { 'http:': 80, 'ws:': 80, 'https:': 443, 'wss:': 443 }[protocol]
  return { host: hostname.replace(/^\[|\]$/g, ''), port: validPort(port === '' ? (standard ?? null) : Number(port)) }
}

export function targetName(target: WaitTarget): string {
  if (typeof target === 'object' && 'path' in target) return printable(target.path)
  const { host, port } = hostAndPort(target)
  return formatEndpoint({ address: host, port })
}

const badTarget = (target: unknown) =>
  invalidArgument('ERR_INVALID_ARG_TYPE', 'endpoint', 'an endpoint, a server, a URL, a port or { path }', target)

/** An endpoint or a path for a message; abstract names begin with a NUL, which people write as @ (unix(7)). */
export function printable(place: Endpoint | string): string {
  return typeof place === 'string' ? place.replace(/^\0/, '@') : formatEndpoint(place)
}
