import type { Family } from '../loopback/endpoint.js'
import type { HostProfile } from './profile.js'
import { kernelFamilies, type Step } from './set-up.js'

// The link of a private network: its bridge, the addresses of its hosts, and the ip(8) commands that make them.

const NETWORKS = { IPv4: '10.0.0.', IPv6: 'fd00::' } as const
const LENGTHS = { IPv4: 24, IPv6: 64 } as const
const ROUTER = 254
const BRIDGE = 'switch0'
export const MOST_HOSTS = ROUTER - 1

/**
 * Without a querier, a bridge with multicast snooping may lose IPv6 neighbour solicitations (RFC 4541 §3). A bridge without a
 * set MTU takes the smallest of its ports, and has no IPv6 below 1280.
 */
export function linkSteps(): Step[] {
  const set = (name: string, value: string): Step => ({ kind: 'write', file: `/proc/sys/net/${name}`, value })
  const router = kernelFamilies().map((family) => `addr add ${onLink(family, ROUTER)} dev ${BRIDGE}${nodad(family)}`)
  return [
    {
      kind: 'ip',
      commands: [
        'link set lo up',
        `link add name ${BRIDGE} type bridge mcast_snooping 0`,
        ...router,
        `link set ${BRIDGE} mtu 1280 up`,
      ],
    },
    // The router answers every packet with "unreachable", without a rate limit.
    set('ipv4/ip_forward', '1'),
    set('ipv4/icmp_ratelimit', '0'),
    ...(kernelFamilies().includes('IPv6')
      ? [set('ipv6/conf/all/forwarding', '1'), set('ipv6/icmp/ratelimit', '0')]
      : []),
  ]
}

const onLink = (family: Family, number: number): string => `${NETWORKS[family]}${number}/${LENGTHS[family]}`

/** No other host can have the address, so duplicate address detection is off (RFC 4862 §5.4). */
const nodad = (family: Family): string => (family === 'IPv6' ? ' nodad' : '')

const familiesOf = ({ ipv4 = true, ipv6 = true }: HostProfile): Family[] =>
  kernelFamilies().filter((family) => (family === 'IPv4' ? ipv4 : ipv6))

/** The address of a host ends in its number, in decimal in both families. */
export const addressesOf = (profile: HostProfile, index: number): Partial<Record<Family, string>> =>
  Object.fromEntries(familiesOf(profile).map((family) => [family, `${NETWORKS[family]}${index + 1}`]))

/** Attaches the interface of a host to the bridge. */
export function portCommand(port: string, mtu: number | undefined): string {
  return `link set ${port} ${mtu === undefined ? '' : `mtu ${largest(mtu)} `}master ${BRIDGE} up`
}

/** The commands on the host. */
export function hostCommands(profile: HostProfile, index: number, narrow: boolean): string[] {
  const { mtu, routes = {} } = profile
  // With segmentation offload a large packet would pass the link, because both ends are in one kernel.
  const whole = narrow ? ' gso_max_segs 1' : ''
  const families = familiesOf(profile).flatMap((family) => {
    const router = `${NETWORKS[family]}${ROUTER}`
    const route =
      'default' in routes || EVERYTHING[family] in routes ? [] : [`route add default via ${router} dev eth0`]
    return [`addr add ${onLink(family, index + 1)} dev eth0${nodad(family)}`, ...route]
  })
  // No address that the kernel generates from the interface: a cut would not cover it.
  const own = familiesOf(profile).includes('IPv6') ? ['link set eth0 addrgenmode none'] : []
  return [...own, `link set eth0${mtu === undefined ? '' : ` mtu ${largest(mtu)}`}${whole} up`, ...families]
}

const EVERYTHING = { IPv4: '0.0.0.0/0', IPv6: '::/0' } as const

/** The largest MTU of an Ethernet interface is 65535. */
const largest = (mtu: number): number => Math.min(mtu, 65_535)
