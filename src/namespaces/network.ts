import { checkBoolean, readArgument } from '../argument.js'
import { calledBy } from '../caller.js'
import { createUndoList, type UndoList } from '../disposal.js'
import { invalidArgument } from '../errors.js'
import { namesOf, readOptions } from '../options.js'
import { Holder } from './holder.js'
import { linkSteps, MOST_HOSTS } from './link.js'
import { LinkedHost, type NetworkHost } from './linked-host.js'
import { checkProfile, type HostProfile } from './profile.js'

/**
 * The options of `createNetwork()`.
 * @experimental
 */
export interface NetworkOptions {
  /** The hosts by name. Each host resolves the names of all. */
  hosts: Readonly<Record<string, HostProfile>>
  /**
   * The largest packet that the link passes, in bytes: from 68, with IPv6 from 1280, to 65536. The hosts do not know it:
   * larger packets vanish, as at a router that reports nothing.
   * @default unlimited
   */
  mtu?: number
  /**
   * Whether programs are root on their hosts.
   * @default false
   */
  root?: boolean
  /** When it aborts, the call rejects with `ABORT_ERR`. */
  signal?: AbortSignal
}

/**
 * Hosts on one link, as `createNetwork()` returns them. Disposing closes the network.
 * @experimental
 */
export interface PrivateNetwork extends AsyncDisposable {
  readonly hosts: readonly NetworkHost[]
  /**
   * Returns the host with this name.
   *
   * @throws ERR_INVALID_ARG_VALUE if no host has the name
   */
  host(name: string): NetworkHost
  /**
   * Cuts the link between two hosts, in both directions, as if a cable were cut. The hosts get no error: connects and
   * writes wait until they time out. Other hosts still reach both.
   */
  cut(one: string, other: string): Promise<void>
  /** Undoes a cut, all cuts of one host, or without names all cuts. Waiting data goes on when the kernel sends again. */
  heal(one?: string, other?: string): Promise<void>
  /** Ends all programs on all hosts, and the network. Later calls share the promise. */
  close(): Promise<void>
}

/**
 * Creates several hosts on one link, each with addresses of both families, `10.0.0.N` and `fd00::N`. This machine and the hosts
 * cannot reach each other. Linux only.
 *
 * The default route of each host leads to a router without a way out, so a destination outside fails with ENETUNREACH. That
 * takes a second if the router answers before the kernel has finished the connect. The link is a bridge in its own namespace,
 * with a pair of virtual interfaces for each host (veth(4)).
 *
 * Closing or disposing the network ends all programs on its hosts.
 *
 * @throws ERR_PORTSIDE_UNSUPPORTED if private networks are not possible here; `because` says why
 * @throws ERR_PORTSIDE_NAMESPACE if a step fails or does not answer within 10 seconds; `headline` names it
 * @throws ABORT_ERR if `signal` aborts
 * @throws ERR_INVALID_ARG_TYPE if an option or a key of the profile has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if an option or a key of the profile has an invalid value
 * @throws ERR_OUT_OF_RANGE if a number is out of range
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```ts
 * import { createNetwork, namespaceSupport } from 'portside'
 *
 * if ((await namespaceSupport()).supported) {
 *   await using network = await createNetwork({ hosts: { web: {}, db: {} } })
 *   network.host('db').spawn('sleep', ['60'])
 *   await network.cut('web', 'db')
 * }
 * ```
 * @see `docs/private-networks.md#createnetwork`
 * @experimental
 */
export function createNetwork(options: NetworkOptions): Promise<PrivateNetwork> {
  const spec = {
    of: 'createNetwork()',
    names: namesOf<NetworkOptions>()('hosts', 'mtu', 'root', 'signal'),
    example: '{ hosts: { a: {}, b: {} } }',
  }
  // Without options, null makes readOptions() throw.
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

  /** All cuts, or the cuts of one host. */
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
