import type http from 'node:http'
import type net from 'node:net'
import { Connection, type ConnectionState, type Protocol } from './connection.js'
import { registry } from './registry.js'

/** Every socket that an agent holds, in use or idle. */
export function socketsOf(agent: http.Agent): net.Socket[] {
  return [agent.sockets, agent.freeSockets].flatMap((pool) => Object.values(pool).flatMap((sockets) => sockets ?? []))
}

/** The connections of an agent, as they are now. */
export function connectionsOf(agent: http.Agent): Connection[] {
  const { connectionOf } = registry()
  return socketsOf(agent).map(
    (socket) =>
      connectionOf.get(socket) ?? new Connection(socket, false, (connection) => new PooledProtocol(connection, agent)),
  )
}

/** A socket of a client pool: busy until its request is answered and the agent has it back. */
class PooledProtocol implements Protocol {
  readonly hookable = false
  readonly #connection: Connection
  readonly #agent: http.Agent

  constructor(connection: Connection, agent: http.Agent) {
    this.#connection = connection
    this.#agent = agent
  }

  state(): ConnectionState {
    const message = this.#message()
    if (message === undefined) return this.#connection.socket.bytesWritten > 0 ? 'idle' : 'new'
    return message.res == null ? 'active' : 'streaming'
  }

  request(): string | undefined {
    const message = this.#message()
    return message && `${message.method} ${message.path}`
  }

  busy(): boolean {
    return this.#message() !== undefined
  }

  quiesce(changed: () => void): void {
    const { socket } = this.#connection
    const freed = (returned: net.Socket): void => {
      if (returned === socket) changed()
    }
    this.#agent.on('free', freed)
    this.#connection.whenClosed(() => this.#agent.off('free', freed))
  }

  /** The request that Node has put on the socket; null or absent while the socket is idle. */
  #message(): (http.ClientRequest & { res?: http.IncomingMessage | null }) | undefined {
    return (this.#connection.socket as { _httpMessage?: http.ClientRequest | null })._httpMessage ?? undefined
  }
}
