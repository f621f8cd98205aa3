import net from 'node:net'
import { portsideError } from '../errors.js'
import { type Family, LOOPBACK } from '../loopback/endpoint.js'
import { processState } from '../process-state.js'
import { infrastructure } from '../sockets/infrastructure.js'

/**
 * Where the anchors of this process are connected to: a listener on loopback that takes them and does nothing. One for
 * each family, made for the first anchor and closed with the last; it keeps no process alive.
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
    // Nothing is read: an anchor says nothing.
    this.#server = infrastructure(net.createServer({ pauseOnConnect: true }))
    this.#server.on('connection', (socket) => this.#take(socket))
    // EMFILE: who has connected stays in the queue. Those that wait for it close their ends, which makes room.
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

  /** One anchor more; needs its `leave`. */
  join(): this {
    this.#anchors++
    return this
  }

  /** One anchor less. */
  leave(): void {
    if (--this.#anchors > 0) return
    this.#gone()
    this.#server.close()
    for (const socket of this.#arrived.values()) socket.destroy()
  }

  address(): Promise<net.AddressInfo> {
    return this.#ready
  }

  /** The other end of a connected client, once it is accepted. Rejects where the client closes before. */
  accepted(client: net.Socket): Promise<net.Socket> {
    const { localAddress, localPort } = client
    const key = keyOf(localAddress, localPort)
    const arrived = this.#arrived.get(key)
    this.#arrived.delete(key)
    if (arrived !== undefined) return Promise.resolve(arrived)
    // Waiting is work: with nothing else to do, the process would end with the promise pending.
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
    // The reset with which an anchor ends.
    socket.on('error', () => {})
    const key = keyOf(socket.remoteAddress, socket.remotePort)
    const waiting = this.#waiting.get(key)
    if (waiting !== undefined) {
      waiting.resolve(socket)
      return
    }
    // A client that does not know yet that it is connected, or a stranger, who is gone when it goes.
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

/** The sink of this process, whichever copy of portside made it. */
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

/** Anchors of one process that are opened at once; the kernel cuts it to what it allows (listen(2), somaxconn). */
const BACKLOG = 65_535
