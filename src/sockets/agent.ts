import type http from 'node:http'
import type net from 'node:net'
import { answerTo, requestOn } from '../platform/node-internals.js'
import type { Connection, ConnectionState, Protocol } from './connection.js'
import { newConnection, registry } from './registry.js'

/** Every open socket that an agent holds, in use or idle. */
export function socketsOf(agent: http.Agent): net.Socket[] {
  return [agent.sockets, agent.freeSockets]
    .flatMap((pool) => Object.values(pool).flatMap((sockets) => sockets ?? []))
    .filter(({ closed }) => !closed)
}

/** The connections of an agent, as they are now. */
export function connectionsOf(agent: http.Agent): Connection[] {
  const { connectionOf } = registry()
  return socketsOf(agent).map(
    (socket) =>
      connectionOf.get(socket) ?? newConnection(socket, false, (connection) => new PooledProtocol(connection, agent)),
  )
}

/**
 * Makes an agent forget a socket that it keeps for a later request. Otherwise the agent reuses a socket that has seen its end of
 * file, until the socket is destroyed.
 */
export function leaveAgent(socket: net.Socket): void {
  if (requestOn(socket) !== undefined) return
  // On 'agentRemove' an agent removes only unwritable sockets from its free sockets.
  Object.defineProperty(socket, 'writable', { value: false, configurable: true })
  socket.emit('agentRemove')
  Reflect.deleteProperty(socket, 'writable')
}

/** A socket of an agent. It is busy until its request is answered and the agent has it back. */
class PooledProtocol implements Protocol {
  readonly hookable = false
  readonly #connection: Connection
  readonly #agent: http.Agent

  constructor(connection: Connection, agent: http.Agent) {
    this.#connection = connection
    this.#agent = agent
  }

  state(): ConnectionState {
    const message = requestOn(this.#connection.socket)
    if (message === undefined) return this.#connection.socket.bytesWritten > 0 ? 'idle' : 'new'
    return answerTo(message) === undefined ? 'active' : 'streaming'
  }

  request(): string | undefined {
    const message = requestOn(this.#connection.socket)
    return message && `${message.method} ${message.path}`
  }

  busy(): boolean {
    return requestOn(this.#connection.socket) !== undefined
  }

  quiesce(changed: () => void): void {
    const { socket } = this.#connection
    this.#leave()
    const forget = whenFreed(this.#agent, socket, () => {
      this.#leave()
      changed()
    })
    this.#connection.whenClosed(forget)
    // After an upgrade or a CONNECT the socket no longer belongs to the agent.
    socket.once('agentRemove', changed)
  }

  /** Keeps the agent from reusing the socket: it closes after the answer that it waits for. */
  #leave(): void {
    const { socket } = this.#connection
    const message = requestOn(socket)
    if (message === undefined) leaveAgent(socket)
    else message.shouldKeepAlive = false
  }
}

/** One listener for each agent, because Node warns of a leak at the eleventh. */
const waiting = new WeakMap<http.Agent, Map<net.Socket, () => void>>()

function whenFreed(agent: http.Agent, socket: net.Socket, changed: () => void): () => void {
  const known = waiting.get(agent)
  const sockets = known ?? new Map<net.Socket, () => void>()
  if (known === undefined) {
    waiting.set(agent, sockets)
    agent.on('free', (returned: net.Socket) => sockets.get(returned)?.())
  }
  sockets.set(socket, changed)
  return () => void sockets.delete(socket)
}
