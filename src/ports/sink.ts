import net from 'node:net'
import { portsideError } from '../errors.js'
import { type Family, LOOPBACK } from '../loopback/endpoint.js'
import { processState } from '../process-state.js'
import { infrastructure } from '../sockets/infrastructure.js'

/**
 * The listener on loopback to which the anchors of this process connect. There is one for each family. It opens with the
 * first anchor, closes with the last, and does not keep the process alive.
 */
export class Sink {
  readonly #server: net.Server
  readonly #ready: Promise<net.AddressInfo>
  readonly #gone: () => void
  readonly #waiting = new Map<string, Waiting>()
  readonly #arrived = new Map<string, net.Socket>()
  #anchors = 0

  constructor(family: Family, gone: () => void) {
    this.#gone = gone
    // Nothing is read: an anchor sends nothing.
    this.#server = infrastructure(net.createServer({ pauseOnConnect: true }))
    this.#server.on('connection', (socket) => this.#take(socket))
    // EMFILE: connections stay in the queue. Their clients reject and close, which frees descriptors.
    this.#server.on('error', (error) => {
      for (const { reject } of this.#waiting.values()) reject(error)
    })
    this.#ready = new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host: LOOPBACK[family], port: 0, backlog: BACKLOG, exclusive: true }, () => {
        resolve(this.#server.unref().address() as net.AddressInfo)
      })
    })
    this.#ready.catch(() => {})
  }

  /** Counts one more anchor. Each needs a `leave()`. */
  join(): this {
    this.#anchors++
    return this
  }

  /** Counts one anchor less, and closes with the last. */
  leave(): void {
    if (--this.#anchors > 0) return
    this.#gone()
    this.#server.close()
    for (const socket of this.#arrived.values()) socket.destroy()
  }

  address(): Promise<net.AddressInfo> {
    return this.#ready
  }

  /** Resolves to the other end of a connected client when it is accepted. Rejects if the client closes first. */
  accepted(client: net.Socket): Promise<net.Socket> {
    const { localAddress, localPort } = client
    const key = keyOf(localAddress, localPort)
    const arrived = this.#arrived.get(key)
    this.#arrived.delete(key)
    if (arrived !== undefined) return Promise.resolve(arrived)
    // Without a referenced handle the process could end while the promise is pending.
    this.#server.ref()
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        client.off('close', lost)
        this.#waiting.delete(key)
        if (this.#waiting.size === 0) this.#server.unref()
      }
      const lost = (): void => failed(abandoned(localPort))
      const failed = (error: Error): void => {
        settle()
        reject(error)
      }
      client.once('close', lost)
      this.#waiting.set(key, {
        reject: failed,
        resolve(socket) {
          settle()
          resolve(socket)
        },
      })
    })
  }

  #take(socket: net.Socket): void {
    // An anchor closes by a reset.
    socket.on('error', () => {})
    const key = keyOf(socket.remoteAddress, socket.remotePort)
    const waiting = this.#waiting.get(key)
    if (waiting !== undefined) {
      waiting.resolve(socket)
      return
    }
    // A client whose 'connect' event has not come yet, or a client of another program.
    this.#arrived.set(
      key,
      socket.once('close', () => this.#arrived.delete(key)),
    )
    socket.resume()
  }
}

interface Waiting {
  readonly resolve: (socket: net.Socket) => void
  readonly reject: (error: Error) => void
}

/** The sink of this process, shared by every copy of portside. */
export function joinSink(family: Family): Sink {
  const sinks = processState('ports.sinks', () => new Map<Family, Sink>())
  const sink = sinks.get(family) ?? new Sink(family, () => sinks.delete(family))
  sinks.set(family, sink)
  return sink.join()
}

function abandoned(port: number | undefined): Error {
  return portsideError('ECONNABORTED', {
    headline: `Cannot hold ${port === undefined ? 'a port' : `port ${port}`}`,
    actual: 'a connection that was closed before it was accepted',
    because: 'this process has no file descriptor left for its other end, or something here closes every socket',
    next: 'close sockets and files, or raise the limit (ulimit -n)',
  })
}

const keyOf = (address: string | undefined, port: number | undefined): string => `${address}|${port}`

/** How many anchors may open at once. The kernel caps it (listen(2), somaxconn). */
const BACKLOG = 65_535
