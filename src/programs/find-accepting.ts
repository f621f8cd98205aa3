import net from 'node:net'
import { dialAddress } from '../loopback/dial-address.js'
import { type Endpoint, formatEndpoint } from '../loopback/endpoint.js'
import { listenersReachedAt } from '../socket-table/owners.js'
import { socketTable } from '../socket-table/socket-table.js'
import { infrastructure } from '../sockets/infrastructure.js'
import { type Answer, Farewell } from './ask.js'
import type { Finder, Found } from './finder.js'

/**
 * Finds a program that has listening sockets of portside: it is ready when it accepts. A connection of portside waits in the
 * accept queue of the first. No process has its other end until the program accepts it.
 */
export class AcceptFinder implements Finder {
  #probe: net.Socket | undefined
  #heard: 'nothing' | 'an answer' | 'the end' = 'nothing'

  /** `asksOtherwise`: other conditions replace this one. */
  constructor(
    private readonly endpoints: readonly [Endpoint, ...Endpoint[]],
    private readonly asksOtherwise: boolean,
  ) {}

  readonly needs = 'an accept'

  get expected(): string {
    return `the program to accept a connection to ${formatEndpoint(this.endpoints[0])}, which it has as descriptor 3`
  }

  async find(giveUp: AbortSignal): Promise<Found | undefined> {
    if (this.asksOtherwise) return { endpoints: this.endpoints, owned: true }
    const probe = (this.#probe ??= this.#dial())
    if (!this.#isAccepted(probe)) return undefined
    this.#probe = undefined
    new Farewell(probe, giveUp).unref()
    return { endpoints: this.endpoints, owned: true }
  }

  holds(): boolean {
    return true
  }

  seen(): { readonly answers: readonly Answer[]; readonly stranger: undefined } {
    return { answers: [], stranger: undefined }
  }

  /** Call it when the wait is over. */
  close(): void {
    this.#probe?.destroy()
  }

  #dial(): net.Socket {
    const [endpoint] = this.endpoints
    const hear = (): void => {
      this.#heard = 'an answer'
    }
    // Called for a reset or an error.
    const end = (): void => {
      if (this.#heard === 'nothing') this.#heard = 'the end'
    }
    // Bytes and a FIN come from a program that has accepted.
    const socket = infrastructure(
      net.connect({ host: dialAddress(endpoint), port: endpoint.port, allowHalfOpen: true }),
    )
    return socket.once('data', hear).once('end', hear).once('close', end).on('error', end)
  }

  #isAccepted({ connecting, localPort }: net.Socket): boolean {
    if (this.#heard === 'an answer') return true
    // A listener that closes resets the connections in its queue (inet_csk_listen_stop in net/ipv4/inet_connection_sock.c).
    if (this.#heard === 'the end') return listenersReachedAt(this.endpoints[0]).length > 0
    if (connecting || localPort === undefined) return false
    const { port } = this.endpoints[0]
    for (const { remote, inode, pid } of socketTable({ protocol: 'tcp', port })) {
      if (remote?.port === localPort) return inode !== undefined || pid !== undefined
    }
    return false
  }
}
