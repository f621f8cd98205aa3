import type { ChildProcess } from 'node:child_process'
import { checkBoolean, readArgument } from '../argument.js'
import { calledBy } from '../caller.js'
import { createUndoList, type UndoList } from '../disposal.js'
import { invalidArgument } from '../errors.js'
import type { Family } from '../loopback/endpoint.js'
import { namesOf, readOptions } from '../options.js'
import type { Holder } from './holder.js'
import type { PrivateHost } from './host.js'
import { checkProfile, type HostProfile } from './profile.js'
import { kernelFamilies, type Step } from './set-up.js'
import type { SpawnInNamespaceOptions } from './spawn-in-namespace.js'
import { readHostSpawn } from './spawn-options.js'

export interface NetworkOptions {
  /** The hosts by name; each resolves the names of all. */
  hosts: Readonly<Record<string, HostProfile>>
  /**
   * The largest packet that the link between the hosts passes on, in bytes, whatever the hosts believe: larger ones vanish, as
   * at a router that says nothing. From 68, with IPv6 from 1280, to 65536. Default: all that the hosts send.
   */
  mtu?: number
  /** Whether programs are root on their hosts. Default: false. */
  root?: boolean
  signal?: AbortSignal
}

/** A host of a network. Its programs have a loopback of their own, and the link to the other hosts. */
export interface NetworkHost {
  readonly name: string
  /** On the link: of IPv4, where the host has that, else of IPv6. */
  readonly address: string
  readonly addresses: Readonly<Partial<Record<Family, string>>>
  /**
   * Starts a program on the host, as `spawnInNamespace()`. Throws ENOENT or EACCES where it cannot be run,
   * ERR_PORTSIDE_NAMESPACE where the network is closed, ABORT_ERR for a signal that is aborted.
   */
  spawn(command: string, args?: readonly string[], options?: Omit<SpawnInNamespaceOptions, 'root'>): ChildProcess
}

export interface PrivateNetwork extends AsyncDisposable {
  readonly hosts: readonly NetworkHost[]
  /** Throws ERR_INVALID_ARG_VALUE for a name that no host has. */
  host(name: string): NetworkHost
  /**
   * Lets nothing pass between two hosts any more, either way, as if a cable were cut: no error comes, connects and writes
   * wait for an answer until they time out. The hosts go on in every other way.
   */
  cut(one: string, other: string): Promise<void>
  /** Undoes a cut; without names, all of them. What waits for an answer gets it when the kernel sends again. */
  heal(one?: string, other?: string): Promise<void>
  /** Ends all programs on all hosts, and the network with them. Later calls share the promise. */
  close(): Promise<void>
}

/**
 * Several hosts on one link, each with addresses of both families, `10.0.0.N` and `fd00::N`, and a default route to a router
 * from which nothing leads on: a destination outside of the network is unreachable (ENETUNREACH, after a second where the
 * router's word comes before the kernel has finished the connect, and so when it asks again). Nothing of it is seen from this
 * machine, and this machine is not seen from there.
 *
 * Rejects as `spawnInNamespace()`.
 *
 * The link is a bridge in a namespace of its own, with a pair of virtual interfaces for each host (veth(4)).
 */
export function createNetwork(options: NetworkOptions): Promise<PrivateNetwork> {
  const spec = {
    of: 'createNetwork()',
    names: namesOf<NetworkOptions>()('hosts', 'mtu', 'root', 'signal'),
    example: '{ hosts: { a: {}, b: {} } }',
  }
  // Without options there are no hosts, which is refused with the others.
  return calledBy(createNetwork, () => link(readOptions(options ?? (null as never), spec)))
}

async function link(options: NetworkOptions): Promise<PrivateNetwork> {
  const names = readArgument('hosts', HOSTS, options.hosts, () => checkNetwork(options))
  const { Holder: Holders } = await import('./holder.js')
  const undos = createUndoList()
  try {
    const router = await Holders.start(linkSteps(), { root: true, pids: false, signal: options.signal })
    undos.add(() => router.close())
    const hosts = await Promise.all(names.map((name, index) => LinkedHost.start(name, index, router, options, undos)))
    return new Network(hosts, undos)
  } catch (error) {
    throw await undos.runAfter(error)
  }
}

const NETWORKS = { IPv4: '10.0.0.', IPv6: 'fd00::' } as const
const LENGTHS = { IPv4: 24, IPv6: 64 } as const
const ROUTER = 254
const BRIDGE = 'switch0'
const MOST_HOSTS = ROUTER - 1
const HOSTS = 'an object of profiles by name'

function checkNetwork(options: NetworkOptions): string[] {
  const { hosts, mtu, root } = options
  checkBoolean('root', root)
  if (typeof hosts !== 'object' || hosts === null) {
    throw invalidArgument('ERR_INVALID_ARG_TYPE', 'hosts', HOSTS, hosts)
  }
  const names = Object.keys(hosts)
  if (names.length === 0 || names.length > MOST_HOSTS) {
    throw invalidArgument('ERR_OUT_OF_RANGE', 'hosts', `one host or more, up to ${MOST_HOSTS}`, `${names.length} hosts`)
  }
  for (const name of names) {
    if (!/^[a-z\d]([a-z\d-]{0,61}[a-z\d])?$/i.test(name) || name === 'localhost') {
      throw invalidArgument(
        'ERR_INVALID_ARG_VALUE',
        'hosts',
        'names of letters, digits and hyphens (RFC 1123 §2.1)',
        name,
      )
    }
    checkProfile(hosts[name] as HostProfile)
  }
  // The limits of a link are those of a host that has it.
  if (mtu !== undefined) checkProfile({ mtu, ipv6: Object.values(hosts).some(({ ipv6 }) => ipv6 !== false) })
  return names
}

/**
 * Without a querier, a bridge that looks after multicast may lose the questions for IPv6 neighbours (RFC 4541 §3). One whose
 * MTU nobody sets has the least of its ports, and below 1280 no IPv6.
 */
function linkSteps(): Step[] {
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
const addressesOf = (profile: HostProfile, index: number): Partial<Record<Family, string>> =>
  Object.fromEntries(familiesOf(profile).map((family) => [family, `${NETWORKS[family]}${index + 1}`]))

class LinkedHost implements NetworkHost {
  readonly #host: PrivateHost

  private constructor(
    readonly name: string,
    readonly addresses: Readonly<Partial<Record<Family, string>>>,
    host: PrivateHost,
  ) {
    this.#host = host
  }

  static async start(
    name: string,
    index: number,
    link: Holder,
    { hosts, mtu, root, signal }: NetworkOptions,
    undos: UndoList,
  ): Promise<LinkedHost> {
    const { PrivateHost: Hosts } = await import('./host.js')
    const profile = hosts[name] as HostProfile
    const all = Object.entries(hosts).map(([other, its], at) => [other, Object.values(addressesOf(its, at))])
    const neighbours = Object.fromEntries(all) as Record<string, string[]>
    const host = await Hosts.start(profile, {
      neighbours,
      within: link,
      signal,
      ...(root === undefined ? {} : { root }),
    })
    undos.add(() => host.close())
    const port = `host${index + 1}`
    await link.ip(`link add ${port} type veth peer name eth0 netns ${host.pid}`, signal)
    const passing = mtu ?? profile.mtu
    await link.ip(
      `link set ${port} ${passing === undefined ? '' : `mtu ${largest(passing)} `}master ${BRIDGE} up`,
      signal,
    )
    for (const command of linkCommands(profile, index, mtu !== undefined)) await host.ip(command, signal)
    return new LinkedHost(name, addressesOf(profile, index), host)
  }

  get address(): string {
    return (this.addresses.IPv4 ?? this.addresses.IPv6) as string
  }

  spawn(
    command: string,
    args: readonly string[] = [],
    options: Omit<SpawnInNamespaceOptions, 'root'> = {},
  ): ChildProcess {
    return this.#host.spawn(command, args, readHostSpawn(options))
  }

  /** Sends what goes to the other host to an address of the link that nobody has, or no longer does. */
  async turnAway(other: LinkedHost, away: boolean): Promise<void> {
    for (const family of Object.keys(this.addresses) as Family[]) {
      const address = other.addresses[family]
      if (address === undefined) continue
      await this.#host.ip(
        away ? `neigh replace ${address} lladdr ${NOBODY} dev eth0 nud permanent` : `neigh del ${address} dev eth0`,
      )
    }
  }
}

/** An address of the kind that everybody may give out (IEEE 802, locally administered). */
const NOBODY = '02:00:00:00:00:00'

/** What an interface of the kind of Ethernet can be set to. */
const largest = (mtu: number): number => Math.min(mtu, 65_535)

function linkCommands(profile: HostProfile, index: number, narrow: boolean): string[] {
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

class Network implements PrivateNetwork {
  readonly #undos: UndoList
  readonly #cuts = new Map<string, readonly [LinkedHost, LinkedHost]>()

  constructor(
    readonly hosts: readonly LinkedHost[],
    undos: UndoList,
  ) {
    this.#undos = undos
  }

  host(name: string): LinkedHost {
    const found = this.hosts.find((host) => host.name === name)
    if (found !== undefined) return found
    throw invalidArgument(
      'ERR_INVALID_ARG_VALUE',
      'host',
      `one of ${this.hosts.map((host) => host.name).join(', ')}`,
      name,
    )
  }

  async cut(one: string, other: string): Promise<void> {
    const pair = this.#pair(one, other)
    const key = keyOf(pair)
    if (this.#cuts.has(key)) return
    this.#cuts.set(key, pair)
    await turnAway(pair, true)
  }

  async heal(one?: string, other?: string): Promise<void> {
    const keys = one === undefined || other === undefined ? this.#cutsOf(one) : [keyOf(this.#pair(one, other))]
    for (const key of keys) {
      const pair = this.#cuts.get(key)
      if (pair === undefined) continue
      this.#cuts.delete(key)
      await turnAway(pair, false)
    }
  }

  close(): Promise<void> {
    return this.#undos.run()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #pair(one: string, other: string): readonly [LinkedHost, LinkedHost] {
    const pair = [this.host(one), this.host(other)] as const
    if (pair[0] !== pair[1]) return pair
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'hosts', 'two hosts', `${one}, twice`)
  }

  /** All of them, or those of one host. */
  #cutsOf(one: string | undefined): string[] {
    const host = one === undefined ? undefined : this.host(one)
    return [...this.#cuts].flatMap(([key, pair]) => (host === undefined || pair.includes(host) ? [key] : []))
  }
}

const keyOf = (pair: readonly LinkedHost[]): string =>
  pair
    .map(({ name }) => name)
    .sort()
    .join(' ')

async function turnAway([one, other]: readonly [LinkedHost, LinkedHost], away: boolean): Promise<void> {
  await Promise.all([one.turnAway(other, away), other.turnAway(one, away)])
}
