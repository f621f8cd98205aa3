import net from 'node:net'
import { dialAddress } from '../loopback/dial-address.js'
import { type Endpoint, formatEndpoint } from '../loopback/endpoint.js'
import { socketTable } from '../socket-table/socket-table.js'
import { type Answer, leave } from './ask.js'
import type { Finder, Found } from './finder.js'

/**
 * Finds a program that has our listening sockets: it is ready when it accepts. A connection of ours waits in the accept queue of
 * the first. Before it is accepted, no process has its other end.
 */
export class AcceptFinder implements Finder {
  #probe: net.Socket | undefined
  #heard = false

  /** `asksOtherwise`: other conditions are asked in place of this one. */
  constructor(
    private readonly endpoints: readonly [Endpoint, ...Endpoint[]],
    private readonly asksOtherwise: boolean,
  ) {}

  get expected(): string {
    return `the program to accept a connection to ${formatEndpoint(this.endpoints[0])}, which it has as descriptor 3`
  }

  async find(giveUp: AbortSignal): Promise<Found | undefined> {
    if (this.asksOtherwise) return { endpoints: this.endpoints, owned: true }
    const probe = (this.#probe ??= this.#dial())
    if (!this.#heard && !this.#isAccepted(probe)) return undefined
    await leave(probe, giveUp)
    return { endpoints: this.endpoints, owned: true }
  }

  holds(): boolean {
    return true
  }

  seen(): { readonly answers: readonly Answer[]; readonly stranger: undefined } {
    return { answers: [], stranger: undefined }
  }

  /** To be called when the wait is over. */
  close(): void {
    this.#probe?.destroy()
  }

  #dial(): net.Socket {
    const [endpoint] = this.endpoints
    const hear = (): void => {
      this.#heard = true
    }
    // Bytes, a FIN and a reset come from a program that has accepted.
    const socket = net.connect({ host: dialAddress(endpoint), port: endpoint.port, allowHalfOpen: true })
    return socket.once('data', hear).once('end', hear).once('close', hear).on('error', hear)
  }

  #isAccepted({ connecting, localPort }: net.Socket): boolean {
    if (connecting || localPort === undefined) return false
    const { port } = this.endpoints[0]
    for (const { remote, inode, pid } of socketTable({ protocol: 'tcp', port })) {
      if (remote?.port === localPort) return inode !== undefined || pid !== undefined
    }
    return false
  }
}
