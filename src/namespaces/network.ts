import { checkBoolean, readArgument } from '../argument.js'
import { calledBy } from '../caller.js'
import { createUndoList, type UndoList } from '../disposal.js'
import { invalidArgument } from '../errors.js'
import { namesOf, readOptions } from '../options.js'
import { Holder } from './holder.js'
import { linkSteps, MOST_HOSTS } from './link.js'
import { LinkedHost, type NetworkHost } from './linked-host.js'
import { checkProfile, type HostProfile } from './profile.js'

/** @experimental */
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

/** @experimental */
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
 * @experimental
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
  const undos = createUndoList()
  try {
    const router = await Holder.start(linkSteps(), { root: true, pids: false, signal: options.signal })
    undos.add(() => router.close())
    const hosts = await Promise.all(names.map((name, index) => LinkedHost.start(name, index, router, options, undos)))
    return new Network(hosts, undos)
  } catch (error) {
    throw await undos.runAfter(error)
  }
}

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
