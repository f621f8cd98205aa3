import net from 'node:net'
import { readArgument } from '../argument.js'
import { invalidArgument, portsideError } from '../errors.js'
import { nearest } from '../nearest.js'
import { validPort } from './address.js'
import { dialAddress } from './dial-address.js'
import { type Endpoint, familyOf, formatEndpoint, LOOPBACK, toEndpoint, unmapped } from './endpoint.js'
import { loopbackFamilies } from './probe.js'

/**
 * Anything that names an endpoint: an endpoint, a server (all of its endpoints), a URL, a port of `localhost`, or the path
 * of a unix socket.
 */
export type EndpointLike =
  | Pick<Endpoint, 'address' | 'port'>
  | { readonly host?: string; readonly port: number }
  | { readonly path: string }
  | URL
  | number

/** A place as the user named it: the host may be a name. The port is not 0. */
export type Named = { readonly host: string; readonly port: number } | { readonly path: string }

/** The places that a target names: several if a server has several. Throws ERR_INVALID_ARG_TYPE or ERR_SOCKET_BAD_PORT. */
export function namedBy(target: EndpointLike): Named[] {
  return readArgument('endpoint', TARGET, target, () => placesOf(target))
}

function placesOf(target: EndpointLike): Named[] {
  if (typeof target === 'object' && target !== null) {
    // A unix server has a path, and also an address with port 0.
    if ('path' in target && target.path !== undefined) return [{ path: validPath(target.path, target) }]
    const { family, address, protocol, pathname } = target as Partial<Record<string, unknown>>
    if (family === 'Unix') return [{ path: validPath(address, target) }]
    if (protocol === 'unix:') return [{ path: validPath(decoded(String(pathname)), target) }]
    const { endpoints } = target as { endpoints?: readonly EndpointLike[] }
    if (Array.isArray(endpoints) && endpoints.length > 1) return endpoints.flatMap(namedBy)
  }
  const place = hostAndPort(target)
  if (place.port === 0) throw invalidArgument('ERR_SOCKET_BAD_PORT', 'port', 'an integer from 1 to 65535', 0)
  return [place]
}

/** Returns the connect options of each attempt. A name is looked up each time, because it may not resolve yet. */
export function dialsOf(target: EndpointLike): () => Promise<net.NetConnectOpts[]> | net.NetConnectOpts[] {
  const dials = namedBy(target).map(dialsOfPlace)
  return dials.length === 1 && dials[0] !== undefined
    ? dials[0]
    : async () => (await Promise.all(dials.map((dial) => dial()))).flat()
}

/** The addresses of a host. `localhost` has the loopback addresses of this host, regardless of its table. */
export async function addressesOf(host: string): Promise<string[]> {
  if (net.isIP(host) !== 0) return [unmapped(host)]
  const { lookup } = await import('node:dns/promises')
  const found = await lookup(host, { all: true }).catch(() => [])
  const addresses = new Set(found.map(({ address }) => address))
  if (host !== 'localhost') return [...addresses]
  // Users expect localhost to include the other family too. A family that this host lacks is left out.
  const families = loopbackFamilies()
  for (const family of families) addresses.add(LOOPBACK[family])
  return [...addresses].filter((address) => families.includes(familyOf(address)))
}

export function nameOf(target: EndpointLike): string {
  return namedBy(target)
    .map((place) => printable('path' in place ? place.path : { address: place.host, port: place.port }))
    .join(' and ')
}

/** An endpoint or a path for a message. An abstract name begins with a NUL, written as @ (unix(7)). */
export function printable(place: Pick<Endpoint, 'address' | 'port'> | string): string {
  return typeof place === 'string' ? place.replace(/^\0/, '@') : formatEndpoint(place)
}

function dialsOfPlace(place: Named): () => Promise<net.NetConnectOpts[]> | net.NetConnectOpts[] {
  if ('path' in place) return () => [{ path: place.path }]
  const { host, port } = place
  if (net.isIP(host) !== 0) return () => [{ host: dialAddress(toEndpoint(host, port)), port }]
  return async () => (await addressesOf(host)).map((address) => ({ host: address, port }))
}

function hostAndPort(target: EndpointLike): { host: string; port: number } {
  if (typeof target === 'number') return { host: 'localhost', port: validPort(target) }
  if (typeof target !== 'object' || target === null) throw badTarget(target)
  if ('href' in target) return fromUrl(target as URL)
  const { address, host, port } = target as { address?: unknown; host?: unknown; port?: number }
  refuseMisspelt(target)
  const name = address ?? host ?? 'localhost'
  if (typeof name !== 'string' || name === '') throw badTarget(target)
  return { host: name, port: givenPort(port) }
}

function givenPort(port: unknown): number {
  if (port === undefined) throw invalidArgument('ERR_SOCKET_BAD_PORT', 'port', 'an integer from 1 to 65535', port)
  return validPort(port)
}

/** A misspelt `host` would mean localhost. Unrelated properties are allowed, because the object may serve another purpose. */
function refuseMisspelt(target: object): void {
  const { hostname } = target as { hostname?: unknown }
  if (hostname !== undefined && !('host' in target || 'address' in target)) throw misspelt('hostname', 'host')
  for (const name of Object.keys(target)) {
    const meant = NAMES.includes(name) ? undefined : nearest(name, NAMES)
    if (meant !== undefined && !(meant in target)) throw misspelt(name, meant)
  }
}

const NAMES = ['host', 'port', 'address']

function misspelt(name: string, meant: string): Error {
  return portsideError('ERR_PORTSIDE_UNKNOWN_OPTION', {
    headline: `Invalid property "${name}" of an endpoint: did you mean "${meant}"?`,
    argument: name,
    next: `write ${meant}`,
  })
}

function fromUrl({ hostname, port, protocol }: URL): { host: string; port: number } {
  const standard = { 'http:': 80, 'ws:': 80, 'https:': 443, 'wss:': 443 }[protocol]
  return { host: hostname.replace(/^\[|\]$/g, ''), port: givenPort(port === '' ? standard : Number(port)) }
}

/** Undefined if the encoding is invalid. */
function decoded(pathname: string): string | undefined {
  try {
    return decodeURIComponent(pathname)
  } catch {
    return undefined
  }
}

function validPath(path: unknown, target: unknown): string {
  if (typeof path === 'string' && path !== '') return path
  throw badTarget(target)
}

const TARGET = 'an endpoint, a server, a URL, a port or { path }'
const badTarget = (target: unknown) => invalidArgument('ERR_INVALID_ARG_TYPE', 'endpoint', TARGET, target)
