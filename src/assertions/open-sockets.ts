import type net from 'node:net'
import { readArgument } from '../argument.js'
import { connectionCount } from '../platform/node-internals.js'
import { isServer } from '../platform/node-objects.js'
import type { Connection } from '../sockets/connection.js'
import type { SocketPool } from '../sockets/pool.js'
import { registry } from '../sockets/registry.js'
import { trackedServerOf } from '../sockets/tracked-server.js'
import { connectionTuple, formatTuple } from '../sockets/tuple.js'
import { now } from '../timers.js'

/** A holder of connections: a server of portside or of Node, or a pool. */
export type ConnectionHolder = net.Server | SocketPool | { readonly connections: SocketPool }

export interface OpenSockets {
  readonly count: number
  /** One line for each known connection. For a server that portside does not track, only the count is known. */
  readonly lines: readonly string[]
}

/** The open connections of a server or pool. Throws ERR_INVALID_ARG_TYPE for anything else. */
export function openSocketsOf(holder: unknown): OpenSockets {
  return readArgument('the value', 'a server or a socket pool', holder, () => {
    if (typeof holder !== 'object' || holder === null) return undefined
    if ('connections' in holder && isPool(holder.connections)) return openIn(holder.connections)
    if (isPool(holder)) return openIn(holder)
    return isServer(holder) ? openOf(holder) : undefined
  })
}

function openIn(pool: SocketPool): OpenSockets {
  const open = [...pool]
  return { count: open.length, lines: open.map(describe) }
}

function openOf(server: net.Server): OpenSockets {
  const tracked = trackedServerOf(server)
  if (tracked !== undefined) {
    const open = [...tracked.connections].filter(({ closed }) => !closed)
    return { count: open.length, lines: open.map(describeConnection) }
  }
  // The count of getConnections(), if the server is not shared with other processes.
  return { count: connectionCount(server), lines: [] }
}

function describe(socket: net.Socket): string {
  const connection = registry().connectionOf.get(socket)
  return connection === undefined ? formatTuple(connectionTuple(socket)) : describeConnection(connection)
}

function describeConnection({ tuple, protocol, since }: Connection): string {
  const request = protocol.request()
  const doing = request === undefined ? protocol.state() : `${protocol.state()}, ${request}`
  return `${formatTuple(tuple)}; ${doing}; open for ${Math.round(now() - since)} ms`
}

const isPool = (value: unknown): value is SocketPool =>
  typeof value === 'object' && value !== null && 'drain' in value && Symbol.iterator in value
