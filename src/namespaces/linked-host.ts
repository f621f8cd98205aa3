import type { ChildProcess } from 'node:child_process'
import type { UndoList } from '../disposal.js'
import type { Family } from '../loopback/endpoint.js'
import type { Holder } from './holder.js'
import { PrivateHost } from './host.js'
import { addressesOf, hostCommands, portCommand } from './link.js'
import type { HostProfile } from './profile.js'
import type { SpawnInNamespaceOptions } from './spawn-in-namespace.js'
import { readHostSpawn } from './spawn-options.js'

/**
 * A host of a network. Its programs have their own loopback, and the link to the other hosts.
 * @experimental
 */
export interface NetworkHost {
  readonly name: string
  /** Its address on the link: IPv4 if the host has it, otherwise IPv6. */
  readonly address: string
  /** Its address on the link, for each family. */
  readonly addresses: Readonly<Partial<Record<Family, string>>>
  /**
   * Starts a program on the host, as `spawnInNamespace()`, and returns its `ChildProcess` immediately.
   *
   * @throws ENOENT if the command does not exist
   * @throws EACCES if the command is not executable
   * @throws ERR_PORTSIDE_NAMESPACE if the network is closed
   * @throws ABORT_ERR if `signal` is aborted
   */
  spawn(command: string, args?: readonly string[], options?: Omit<SpawnInNamespaceOptions, 'root'>): ChildProcess
}

/** The options of a network that its hosts use. */
interface LinkOptions {
  readonly hosts: Readonly<Record<string, HostProfile>>
  readonly mtu?: number
  readonly root?: boolean
  readonly signal?: AbortSignal
}

export class LinkedHost implements NetworkHost {
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
    { hosts, mtu, root, signal }: LinkOptions,
    undos: UndoList,
  ): Promise<LinkedHost> {
    const profile = hosts[name] as HostProfile
    const all = Object.entries(hosts).map(([other, its], at) => [other, Object.values(addressesOf(its, at))])
    const neighbours = Object.fromEntries(all) as Record<string, string[]>
    const host = await PrivateHost.start(profile, {
      neighbours,
      within: link,
      signal,
      ...(root === undefined ? {} : { root }),
    })
    undos.add(() => host.close())
    const port = `host${index + 1}`
    await link.ip(`link add ${port} type veth peer name eth0 netns ${host.pid}`, signal)
    await link.ip(portCommand(port, mtu ?? profile.mtu), signal)
    for (const command of hostCommands(profile, index, mtu !== undefined)) await host.ip(command, signal)
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

  /** Sends packets for the other host to an unused link address, or stops doing so. */
  async turnAway(other: LinkedHost, away: boolean): Promise<void> {
    for (const family of Object.keys(this.addresses) as Family[]) {
      const address = other.addresses[family]
      if (address === undefined) continue
      await this.#host.ip(
        away ? `neigh replace ${address} lladdr ${UNUSED} dev eth0 nud permanent` : `neigh del ${address} dev eth0`,
      )
    }
  }
}

/** A locally administered address (IEEE 802), which no host has. */
const UNUSED = '02:00:00:00:00:00'
