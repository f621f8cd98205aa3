import type { Family } from '../loopback/endpoint.js'
import type { HostProfile } from './profile.js'
import { kernelFamilies, type Step } from './set-up.js'

// The link of a private network: its bridge, the addresses of its hosts, and the commands of ip(8) that make them.

const NETWORKS = { IPv4: '10.0.0.', IPv6: 'fd00::' } as const
const LENGTHS = { IPv4: 24, IPv6: 64 } as const
const ROUTER = 254
const BRIDGE = 'switch0'
export const MOST_HOSTS = ROUTER - 1

/**
 * Without a querier, a bridge that looks after multicast may lose the questions for IPv6 neighbours (RFC 4541 §3). One whose
 * MTU nobody sets has the least of its ports, and below 1280 no IPv6.
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
    // A router that says to everybody, and each time, that it knows no way.
    set('ipv4/ip_forward', '1'),
    set('ipv4/icmp_ratelimit', '0'),
    ...(kernelFamilies().includes('IPv6')
      ? [set('ipv6/conf/all/forwarding', '1'), set('ipv6/icmp/ratelimit', '0')]
      : []),
  ]
}

const onLink = (family: Family, number: number): string => `${NETWORKS[family]}${number}/${LENGTHS[family]}`

/** Nobody else can have the address: it need not be asked for first (RFC 4862 §5.4). */
const nodad = (family: Family): string => (family === 'IPv6' ? ' nodad' : '')

const familiesOf = ({ ipv4 = true, ipv6 = true }: HostProfile): Family[] =>
  kernelFamilies().filter((family) => (family === 'IPv4' ? ipv4 : ipv6))

/** The numbers of hosts are those of their addresses, in decimal in both families. */
export const addressesOf = (profile: HostProfile, index: number): Partial<Record<Family, string>> =>
  Object.fromEntries(familiesOf(profile).map((family) => [family, `${NETWORKS[family]}${index + 1}`]))

/** At the bridge, for a host whose interface is there. */
export function portCommand(port: string, mtu: number | undefined): string {
  return `link set ${port} ${mtu === undefined ? '' : `mtu ${largest(mtu)} `}master ${BRIDGE} up`
}

/** On the host. */
export function hostCommands(profile: HostProfile, index: number, narrow: boolean): string[] {
  const { mtu, routes = {} } = profile
  // A packet that is cut to size later, or never where both ends are of one kernel, would pass as it is.
  const whole = narrow ? ' gso_max_segs 1' : ''
  const families = familiesOf(profile).flatMap((family) => {
    const router = `${NETWORKS[family]}${ROUTER}`
    const route =
      'default' in routes || EVERYTHING[family] in routes ? [] : [`route add default via ${router} dev eth0`]
    return [`addr add ${onLink(family, index + 1)} dev eth0${nodad(family)}`, ...route]
  })
  // Only addresses that can be cut off: none that the kernel makes of the interface.
  const own = familiesOf(profile).includes('IPv6') ? ['link set eth0 addrgenmode none'] : []
  return [...own, `link set eth0${mtu === undefined ? '' : ` mtu ${largest(mtu)}`}${whole} up`, ...families]
}

const EVERYTHING = { IPv4: '0.0.0.0/0', IPv6: '::/0' } as const

/** What an interface of the kind of Ethernet can be set to. */
const largest = (mtu: number): number => Math.min(mtu, 65_535)
