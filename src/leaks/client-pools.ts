import diagnostics from 'node:diagnostics_channel'
import type http from 'node:http'
import type net from 'node:net'
import { handleOf, isRef } from '../platform/node-internals.js'
import { createSlot } from '../slot.js'
import { WeakList } from '../weak-list.js'

/** The client pools of this process: agents of http, as far as requests have named them, and undici. */
export class ClientPools {
  readonly #agents = new WeakList<http.Agent>()
  readonly #known = createSlot<true>()
  readonly #ofUndici = createSlot<true>()

  constructor() {
    diagnostics.subscribe('undici:client:connected', (message) =>
      this.#ofUndici.set((message as { socket: object }).socket, true),
    )
  }

  add(agent: http.Agent | undefined): void {
    if (agent === undefined || this.#known.get(agent)) return
    this.#known.set(agent, true)
    this.#agents.add(agent)
  }

  /** Whether a socket was opened by undici: that of Node's fetch, and the package. */
  isOfUndici(socket: net.Socket): boolean {
    return this.#ofUndici.get(socket) === true
  }

  /** Whether a pool keeps the socket for the next request. */
  isIdle(socket: net.Socket): boolean {
    // Undici unrefs a connection on which nothing is asked any more (lib/dispatcher/client-h1.js).
    if (this.isOfUndici(socket)) return !isRef(handleOf(socket))
    return this.agentOf(socket) !== undefined
  }

  /** The agent that keeps the socket for the next request. */
  agentOf(socket: net.Socket): http.Agent | undefined {
    // Of all agents: a request that was aborted before it was sent has left its socket to one, and says so to nobody.
    for (const agent of this.#agents) {
      if (Object.values(agent.freeSockets ?? {}).some((sockets) => sockets?.includes(socket))) return agent
    }
    return undefined
  }
}
