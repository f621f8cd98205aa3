import type http from 'node:http'
import type net from 'node:net'
import { hear } from '../platform/channels.js'
import { agentOf, requestOn } from '../platform/node-internals.js'
import { patch } from '../platform/patches.js'
import { createSlot } from '../slot.js'
import { ClientPools } from './client-pools.js'
import type { Owner } from './owner.js'
import type { Sending } from './sending.js'
import { takeTrace } from './trace.js'
import type { TrackedSocket } from './tracked-socket.js'

interface Requested {
  readonly method?: string
  readonly path?: string
}

interface Tracking {
  readonly ownerNow: () => Owner | undefined
  /** Advances the counter of activity in this process, and returns it. */
  readonly sent: () => number
  readonly recordOf: (socket: object) => TrackedSocket | undefined
}

/**
 * A pooled connection belongs to the test that uses it, not to the test that opened it. Listens to the requests that http and undici
 * (inside Node, and the package) publish: https://nodejs.org/api/diagnostics_channel.html#built-in-channels
 */
export class Senders {
  readonly pools = new ClientPools()
  readonly #tracking: Tracking
  readonly #byRequest = createSlot<Sending>()
  /** Whether Node reports a request when it is made: from 22.12 on. */
  #tellsOfNew = false

  constructor(tracking: Tracking) {
    this.#tracking = tracking
    hear('http.client.request.created', this.#heardCreated)
    hear('http.client.request.start', this.#heardSent)
    hear('undici:request:create', this.#heardUndici)
    hear<{ request: object; socket: object }>('undici:client:sendHeaders', ({ request, socket }) =>
      this.#use(socket, this.#byRequest.get(request)),
    )
  }

  /** The request that a socket carries, or else the last request on it. */
  sendingOn(record: TrackedSocket): Sending | undefined {
    return this.#byRequest.get(this.#requestOn(record)) ?? record.sending
  }

  /** The call that ends the request on the socket, or that closes an idle connection of its pool; undefined for other sockets. */
  howToEnd(record: TrackedSocket): string | undefined {
    const socket = record.socket as net.Socket | undefined
    if (socket === undefined) return undefined
    if (this.pools.isOfUndici(socket)) {
      // The pool of Node's fetch cannot be closed.
      if (this.pools.isIdle(socket)) return "fetch() with the header 'connection: close'"
      return 'response.body.cancel(), or read the body to its end'
    }
    const agent = this.pools.agentOf(socket)
    if (agent !== undefined) return isGlobal(agent) ? 'http.globalAgent.destroy()' : 'agent.destroy()'
    // Not on an upgraded socket, which belongs to its user.
    const request = this.#requestOn(record)
    if (request === undefined || this.sendingOn(record) === undefined) return undefined
    return request.writableEnded
      ? 'response.destroy(), or read it to its end'
      : 'request.end(), and read the response to its end, or request.destroy()'
  }

  #requestOn({ kind, socket }: TrackedSocket): http.ClientRequest | undefined {
    return kind === 'client' && socket !== undefined ? requestOn(socket as net.Socket) : undefined
  }

  #use(socket: object, sending: Sending | undefined): void {
    const record = this.#tracking.recordOf(socket)
    if (record !== undefined && sending !== undefined) record.sending = sending
  }

  readonly #heardCreated = ({ request }: { request: http.ClientRequest }): void => {
    this.#tellsOfNew = true
    this.#note(request, this.#heardCreated)
  }

  readonly #heardSent = ({ request }: { request: http.ClientRequest }): void => {
    if (!this.#tellsOfNew) this.#hearOfNew()
    const sending = this.#byRequest.get(request) ?? this.#note(request, this.#heardSent)
    if (request.socket != null) this.#use(request.socket, sending)
    else request.once('socket', (socket: net.Socket) => this.#use(socket, sending))
  }

  readonly #heardUndici = ({ request }: { request: object }): void => {
    this.#byRequest.set(request, this.#sending(this.#heardUndici, request))
  }

  /** A request on an open connection belongs to the test that makes it, also if it is never sent. */
  #hearOfNew(): void {
    this.#tellsOfNew = true
    const note = (request: http.ClientRequest): Sending => this.#note(request, addRequest)
    type AddRequest = (this: object, request: http.ClientRequest, ...rest: unknown[]) => void
    const { Agent } = process.getBuiltinModule('node:http')
    let addRequest: AddRequest
    // Never undone: the state of this process keeps listening.
    patch(
      Agent.prototype as unknown as { addRequest: AddRequest },
      'addRequest',
      (original) => {
        addRequest = function (request, ...rest) {
          note(request)
          return Reflect.apply(original, this, [request, ...rest])
        }
        return addRequest
      },
      'diagnostics_channel reports a request only when it is sent',
    )
  }

  #note(request: http.ClientRequest, above: (...args: never[]) => unknown): Sending {
    const sending = this.#sending(above, request)
    this.#byRequest.set(request, sending)
    this.pools.add(agentOf(request))
    return sending
  }

  #sending(above: (...args: never[]) => unknown, { method, path }: Requested): Sending {
    const { sent, ownerNow } = this.#tracking
    return { sequence: sent(), owner: ownerNow(), trace: takeTrace(above), request: `${method} ${path}` }
  }
}

const isGlobal = (agent: http.Agent): boolean => agent === process.getBuiltinModule('node:http').globalAgent
