import { type Endpoint, WILDCARD } from '../loopback/endpoint.js'
import { countEphemeralPorts, type EphemeralPorts } from '../socket-table/ephemeral-ports.js'
import { listenersIn, ownersOf, reachedIn, type SocketOwner, toOwner } from '../socket-table/owners.js'
import type { SocketEntry, SocketFilter } from '../socket-table/socket-entry.js'
import { socketTable } from '../socket-table/socket-table.js'

/**
 * The kernel's table of sockets for one failure. It reads the table at most once, at the first question, and answers later ones from
 * the same entries. Undefined if the system has no table, or the process has no descriptor to read it with.
 */
export class Lookup {
  #entries: readonly SocketEntry[] | undefined
  #failed = false

  /** The sockets that hold an address or a path. */
  owners(place: { address?: string; port: number } | string, protocol: 'tcp' | 'udp' | undefined) {
    return this.#ask<SocketOwner[]>(() => ownersOf(place, protocol))
  }

  /** The listeners on a port: those that a client of the address reaches, and all. */
  listeners({ address, port }: Pick<Endpoint, 'address' | 'port'>) {
    return this.#ask(() => {
      const all = listenersIn(this.#read({ protocol: 'tcp', state: 'LISTEN', port }))
      return { reached: reachedIn(all, { address, port }), all }
    })
  }

  /** The usage of the ephemeral range. */
  ephemeralPorts(protocol: 'tcp' | 'udp') {
    return this.#ask<EphemeralPorts>(() => countEphemeralPorts(this.#read({ protocol })))
  }

  /** The connections with both endpoints. */
  connections(local: Endpoint, remote: { address: string | undefined; port: number | undefined }) {
    return this.#ask<SocketOwner[]>(() =>
      this.#read({ protocol: 'tcp' })
        .filter(
          (entry) =>
            typeof entry.local === 'object' &&
            entry.local.port === local.port &&
            (local.address === WILDCARD[local.family] || entry.local.address === local.address) &&
            entry.remote?.port === remote.port &&
            entry.remote?.address === remote.address,
        )
        .map(toOwner),
    )
  }

  #read(filter: SocketFilter): readonly SocketEntry[] {
    this.#entries ??= [...socketTable(filter)]
    return this.#entries
  }

  #ask<T>(look: () => T): T | undefined {
    if (this.#failed) return undefined
    try {
      return look()
    } catch {
      this.#failed = true
      return undefined
    }
  }
}
