import diagnostics from 'node:diagnostics_channel'
import type http from 'node:http'
import type net from 'node:net'
import type { Trace } from '../caller.js'
import { agentOf, handleOf, isRef, requestOn } from '../platform/node-internals.js'
import type { Owner } from './owner.js'
import { takeTrace } from './stack.js'

/** Who sent last on a socket of a client pool. */
export interface Sending {
  /** Counts what is done in this process, as that of a tracked socket. */
  readonly sequence: number
  readonly owner: Owner | undefined
  readonly trace: Trace
  /** Of http; those of undici are known by the socket. */
  readonly agent: http.Agent | undefined
  /** `GET /large`. */
  readonly request: string
}

interface Requested {
  readonly method?: string
  readonly path?: string
}

/**
 * A pooled connection belongs to whoever uses it, not to whoever was the first to. Listens to what http and undici (that
 * of Node's fetch, and the package) tell of their requests. https://nodejs.org/api/diagnostics_channel.html#built-in-channels
 */
export class Senders {
  readonly #ownerNow: () => Owner | undefined
  readonly #sent: () => number
  readonly #bySocket = new WeakMap<object, Sending>()
  readonly #byRequest = new WeakMap<object, Sending>()
  readonly #ofUndici = new WeakSet<object>()

  /** `sent` counts what is done in this process. */
  constructor(ownerNow: () => Owner | undefined, sent: () => number) {
    this.#ownerNow = ownerNow
    this.#sent = sent
    const hear = <T>(channel: string, listener: (message: T) => void): void =>
      diagnostics.subscribe(channel, (message) => listener(message as T))
    // From 22.12 on. Where there is none, a request on a connection that was open before has no stack of its user's.
    hear('http.client.request.created', this.#heardCreated)
    hear('http.client.request.start', this.#heardHttp)
    hear('undici:request:create', this.#heardUndici)
    hear<{ socket: object }>('undici:client:connected', ({ socket }) => void this.#ofUndici.add(socket))
    hear<{ request: object; socket: object }>('undici:client:sendHeaders', ({ request, socket }) => {
      const sending = this.#byRequest.get(request)
      if (sending !== undefined) this.#bySocket.set(socket, sending)
    })
  }

  /** The last request on a socket. */
  sendingOn(socket: object): Sending | undefined {
    return this.#bySocket.get(socket)
  }

  /** What ends the request that keeps the socket from the next one; undefined where none does. */
  howToEnd(socket: net.Socket): string | undefined {
    if (this.#ofUndici.has(socket)) return 'response.body.cancel(), or read the body to its end'
    // Not on one that was upgraded: that is its user's.
    const asked = this.#bySocket.has(socket) && requestOn(socket) !== undefined
    return asked ? 'response.destroy(), or read it to its end' : undefined
  }

  /** Whether a pool keeps the socket for the next request. */
  isIdle(socket: net.Socket): boolean {
    // Undici unrefs a connection on which nothing is asked any more (lib/dispatcher/client-h1.js).
    if (this.#ofUndici.has(socket)) return !isRef(handleOf(socket))
    const { agent } = this.sendingOn(socket) ?? {}
    const free = agent?.freeSockets
    return free !== undefined && Object.values(free).some((sockets) => sockets?.includes(socket))
  }

  readonly #heardCreated = ({ request }: { request: http.ClientRequest }): void => {
    this.#byRequest.set(request, this.#sending(this.#heardCreated, request, agentOf(request)))
  }

  readonly #heardHttp = ({ request }: { request: http.ClientRequest }): void => {
    const sending = this.#byRequest.get(request) ?? this.#sending(this.#heardHttp, request, agentOf(request))
    if (request.socket != null) this.#bySocket.set(request.socket, sending)
    else request.once('socket', (socket: net.Socket) => void this.#bySocket.set(socket, sending))
  }

  readonly #heardUndici = ({ request }: { request: Requested }): void => {
    this.#byRequest.set(request, this.#sending(this.#heardUndici, request, undefined))
  }

  #sending(heard: (message: never) => void, { method, path }: Requested, agent: http.Agent | undefined): Sending {
    const request = `${method} ${path}`
    return { sequence: this.#sent(), owner: this.#ownerNow(), trace: takeTrace(heard), agent, request }
  }
}
