import { isIP } from 'node:net'
import { checkBoolean, readArgument } from '../argument.js'
import { invalidArgument } from '../errors.js'
import { integer } from '../numbers.js'
import { readOptions } from '../options.js'

/**
 * Describes a host of a private network. Keys that you leave out are as Linux makes a new network.
 * @experimental
 */
export interface HostProfile {
  /**
   * The ephemeral range: a number of ports, or the first and the last port.
   * @default [32_768, 60_999]
   */
  readonly ephemeralPorts?: number | readonly [first: number, last: number]
  /**
   * False: the host has no IPv4 address, not even 127.0.0.1, and no name for one.
   * @default true
   */
  readonly ipv4?: boolean
  /**
   * False: the host has no IPv6, and no name for an IPv6 address.
   * @default true
   */
  readonly ipv6?: boolean
  /**
   * Whether a listener on `::` does not accept IPv4 (`net.ipv6.bindv6only`).
   * @default false
   */
  readonly bindV6Only?: boolean
  /**
   * The first port that every user may bind. Above 32768 the ephemeral range also begins there.
   * @default 1024
   */
  readonly firstUnprivilegedPort?: number
  /**
   * The MTU of loopback and of the link of a network, in bytes: from 68, with IPv6 from 1280, to 65536.
   * @default 65_536, of a link 1500
   */
  readonly mtu?: number
  /**
   * The addresses of `localhost`, in order: at most one of each family.
   * @default as on this machine, without families that are off
   */
  readonly localhost?: readonly string[]
  /** How the kernel refuses connects to a destination: an address, a prefix (`192.0.2.0/24`) or `default`. */
  readonly routes?: Readonly<Record<string, RouteKind>>
  /**
   * How many descriptors each program may have (RLIMIT_NOFILE, both limits).
   * @default the limits of this process
   */
  readonly openFiles?: number
}

/**
 * How the kernel refuses a connect: `'unreachable'` EHOSTUNREACH, `'prohibit'` EACCES, `'blackhole'` EINVAL (ip-route(8)).
 * @experimental
 */
export type RouteKind = 'unreachable' | 'prohibit' | 'blackhole'

export const DEFAULT_RANGE = [32_768, 60_999] as const
const DEFAULT_UNPRIVILEGED = 1024
const LAST_PORT = 65_535
const LARGEST_MTU = 65_536

/** Throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE or ERR_OUT_OF_RANGE if the profile is invalid. */
export function checkProfile(profile: HostProfile): void {
  if (profile === undefined) throw invalidArgument('ERR_INVALID_ARG_TYPE', 'profile', 'an object', profile)
  readOptions(profile, { of: 'the profile of a host', names: Object.keys(CHECKS), example: '{ ipv6: false }' })
  for (const key of Object.keys(CHECKS) as Array<keyof HostProfile>) {
    const value = profile[key]
    if (value === undefined) continue
    readArgument(key, 'a value that can be read', value, () => CHECKS[key](value, profile) ?? true)
  }
  if (profile.ipv4 === false && profile.ipv6 === false) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'profile', 'a host with IPv4, IPv6 or both', 'neither')
  }
}

/** The ephemeral range of a profile. Undefined if it is the default. */
export function rangeOf({
  ephemeralPorts,
  firstUnprivilegedPort = 0,
}: HostProfile): readonly [number, number] | undefined {
  const [first] = DEFAULT_RANGE
  if (typeof ephemeralPorts === 'number') {
    const from = Math.max(Math.min(first, LAST_PORT + 1 - ephemeralPorts), firstUnprivilegedPort)
    return [from, from + ephemeralPorts - 1]
  }
  if (ephemeralPorts !== undefined) return ephemeralPorts
  // The kernel rejects a range that begins with privileged ports (net/ipv4/sysctl_net_ipv4.c).
  return firstUnprivilegedPort > first ? [firstUnprivilegedPort, LAST_PORT] : undefined
}

type Check = (value: unknown, profile: HostProfile) => void

const CHECKS: Readonly<Record<keyof HostProfile, Check>> = {
  ephemeralPorts: checkRange,
  ipv4: boolean('ipv4'),
  ipv6: boolean('ipv6'),
  bindV6Only(value, profile) {
    boolean('bindV6Only')(value)
    if (value === true && profile.ipv6 === false) {
      throw invalidArgument('ERR_INVALID_ARG_VALUE', 'bindV6Only', 'false on a host without IPv6', value)
    }
  },
  firstUnprivilegedPort: (value) => void integer('firstUnprivilegedPort', value, 0, LAST_PORT),
  mtu: (value, { ipv6 }) => void integer('mtu', value, ipv6 === false ? 68 : 1280, LARGEST_MTU),
  localhost: checkLocalhost,
  routes: checkRoutes,
  openFiles: (value) => void integer('openFiles', value, 1, 1_048_576),
}

function checkRange(value: unknown, { firstUnprivilegedPort = DEFAULT_UNPRIVILEGED }: HostProfile): void {
  // Port 0 means any port.
  const least = Math.max(1, typeof firstUnprivilegedPort === 'number' ? firstUnprivilegedPort : DEFAULT_UNPRIVILEGED)
  if (!Array.isArray(value)) {
    integer('ephemeralPorts', value, 1, LAST_PORT - least + 1)
    return
  }
  const what = `[first, last], ports from ${least} to ${LAST_PORT}, the first not above the last`
  const [first, last] = value
  if (value.length !== 2 || !value.every(Number.isInteger)) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'ephemeralPorts', what, `[${value.join(', ')}]`)
  }
  if (first < least || last > LAST_PORT || first > last) {
    throw invalidArgument('ERR_OUT_OF_RANGE', 'ephemeralPorts', what, `[${value.join(', ')}]`)
  }
}

function checkLocalhost(value: unknown): void {
  if (!Array.isArray(value)) throw invalidArgument('ERR_INVALID_ARG_TYPE', 'localhost', 'an array of addresses', value)
  const wrong = value.find((address) => typeof address !== 'string' || isIP(address) === 0 || address.includes('%'))
  if (value.length === 0 || wrong !== undefined) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'localhost', 'one address or two', wrong ?? 'none')
  }
  // getaddrinfo(3) sorts addresses of one family by fixed rules (RFC 6724 §6, rule 9).
  const [first, second, ...rest] = value
  if (rest.length > 0 || (second !== undefined && isIP(first) === isIP(second))) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'localhost', 'one address of each family at most', value.join(', '))
  }
}

function checkRoutes(value: unknown, { ipv4, ipv6 }: HostProfile): void {
  if (typeof value !== 'object' || value === null) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'routes', 'an object of destinations', value)
  }
  for (const [destination, kind] of Object.entries(value)) {
    const family = familyOfPrefix(destination)
    if (destination !== 'default' && family === 0) {
      throw invalidArgument('ERR_INVALID_ARG_VALUE', 'routes', "addresses, prefixes or 'default'", destination)
    }
    if ((family === 4 && ipv4 === false) || (family === 6 && ipv6 === false)) {
      throw invalidArgument(
        'ERR_INVALID_ARG_VALUE',
        'routes',
        'destinations of a family that the host has',
        destination,
      )
    }
    if (kind !== 'unreachable' && kind !== 'prohibit' && kind !== 'blackhole') {
      throw invalidArgument(
        'ERR_INVALID_ARG_VALUE',
        `routes['${destination}']`,
        "'unreachable', 'prohibit' or 'blackhole'",
        kind,
      )
    }
  }
}

/** 4 or 6 for an address or a prefix such as `192.0.2.0/24`, otherwise 0. */
function familyOfPrefix(destination: string): number {
  const [address = '', length, ...rest] = destination.split('/')
  const family = address.includes('%') || rest.length > 0 ? 0 : isIP(address)
  if (family === 0 || length === undefined) return family
  return /^\d{1,3}$/.test(length) && Number(length) <= (family === 4 ? 32 : 128) ? family : 0
}

function boolean(name: string): (value: unknown) => void {
  return (value) => {
    checkBoolean(name, value)
  }
}
