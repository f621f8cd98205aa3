import net from 'node:net'
import { familyOf, LOOPBACK } from '../loopback/endpoint.js'
import { closedBy, infrastructure } from '../sockets/infrastructure.js'
import { joinSink, type Sink } from './sink.js'

/**
 * A TCP port held by a connection of this process. Its client is bound to the port and does not listen.
 *
 * The bind is explicit, so the kernel gives the port to no bind to port 0 and to no outgoing connection. Both pass over a
 * port that was bound by number or address (`__inet_hash_connect` and `inet_csk_find_open_port` in Linux; ip(7),
 * ip_local_port_range). Nothing listens, so connections to the port are refused. Some kernels let a listener share the port:
 * `PortSharing` asks.
 */
export interface Anchor {
  readonly port: number
  /** The port of the listener to which it is connected, which all anchors of this process share. */
  readonly sinkPort: number
  readonly held: boolean
  /**
   * Closes the connection by a reset, which leaves nothing. With `bridge`, by a FIN of the held end: it stays in TIME_WAIT,
   * which binds to port 0 pass over and explicit binds do not (RFC 9293 §3.6.1).
   */
  release(bridge?: boolean): Promise<void>
}

/**
 * Holds the port on a local address; 0: a port that the kernel picks. A wildcard address is bound before the connection
 * narrows it down to loopback, so the bind fails if anything listens on any address.
 * Rejects with the system's code: EADDRINUSE, EADDRNOTAVAIL, EACCES, EMFILE. `free` runs right before the bind: it closes what holds the
 * port until then.
 */
export async function openAnchor(
  address: string,
  port: number,
  howToClose: string | undefined,
  free?: () => void,
): Promise<Anchor> {
  const family = familyOf(address)
  const sink = joinSink(family)
  try {
    const { port: sinkPort } = await sink.address()
    free?.()
    const client = net.connect({
      host: LOOPBACK[family],
      port: sinkPort,
      localAddress: address,
      ...(port === 0 ? {} : { localPort: port }),
    })
    closedBy(client, howToClose)
    await connected(client)
    // From here on the only possible error is a reset.
    client.on('error', () => {})
    const accepted = await sink.accepted(client).catch(async (error: unknown) => {
      client.resetAndDestroy()
      await whenClosed(client)
      throw error
    })
    client.unref()
    // The listener may be older than the leak check, which then does not know its connections.
    infrastructure(accepted).unref()
    return new ConnectedAnchor(client, accepted, sink, sinkPort)
  } catch (error) {
    sink.leave()
    throw error
  }
}

class ConnectedAnchor implements Anchor {
  readonly port: number
  readonly #client: net.Socket
  readonly #accepted: net.Socket
  readonly #sink: Sink
  #released: Promise<void> | undefined

  constructor(
    client: net.Socket,
    accepted: net.Socket,
    sink: Sink,
    readonly sinkPort: number,
  ) {
    this.port = client.localPort as number
    this.#client = client
    this.#accepted = accepted
    this.#sink = sink
  }

  get held(): boolean {
    return !this.#client.destroyed
  }

  release(bridge = false): Promise<void> {
    this.#released ??= this.#end(bridge)
    return this.#released
  }

  async #end(bridge: boolean): Promise<void> {
    const closed = Promise.all([whenClosed(this.#client), whenClosed(this.#accepted)])
    if (bridge) {
      // The FIN needs an answer. Without a referenced socket the process could end before it comes.
      this.#client.ref()
      this.#accepted.ref()
      this.#client.end()
      this.#accepted.resume()
      this.#client.resume()
    } else {
      // The reset closes both ends in the kernel, so neither leaves a TIME_WAIT.
      this.#client.resetAndDestroy()
      this.#accepted.destroy()
    }
    this.#sink.leave()
    await closed
  }
}

function connected(client: net.Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once('error', reject).once('connect', () => {
      client.off('error', reject)
      resolve()
    })
  })
}

function whenClosed(socket: net.Socket): Promise<void> | undefined {
  return socket.closed ? undefined : new Promise((resolve) => void socket.once('close', () => resolve()))
}
