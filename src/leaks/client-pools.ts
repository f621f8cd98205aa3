import type http from 'node:http'
import type net from 'node:net'
import { hear } from '../platform/channels.js'
import { handleOf, isRef } from '../platform/node-internals.js'
import { createSlot } from '../slot.js'
import { WeakList } from '../weak-list.js'

/** The client pools of this process: undici, and each `http.Agent` that a request has named. */
export class ClientPools {
  readonly #agents = new WeakList<http.Agent>()
  readonly #known = createSlot<true>()
  readonly #ofUndici = createSlot<true>()

  constructor() {
    hear<{ socket: object }>('undici:client:connected', ({ socket }) => this.#ofUndici.set(socket, true))
  }

  add(agent: http.Agent | undefined): void {
    if (agent === undefined || this.#known.get(agent)) return
    this.#known.set(agent, true)
    this.#agents.add(agent)
  }

  /** Whether undici opened the socket: the undici inside Node, or the package. */
  isOfUndici(socket: net.Socket): boolean {
    return this.#ofUndici.get(socket) === true
  }

  /** Whether a pool keeps the socket for the next request. */
  isIdle(socket: net.Socket): boolean {
    // undici unrefs a connection that has no request (lib/dispatcher/client-h1.js).
    if (this.isOfUndici(socket)) return !isRef(handleOf(socket))
    return this.agentOf(socket) !== undefined
  }

  /** The agent that keeps the socket for the next request. */
  agentOf(socket: net.Socket): http.Agent | undefined {
    // All agents are searched: a request that is aborted before it is sent leaves its socket to its agent, and no event says so.
    for (const agent of this.#agents) {
      if (Object.values(agent.freeSockets ?? {}).some((sockets) => sockets?.includes(socket))) return agent
    }
    return undefined
  }
}
