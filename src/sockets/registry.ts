import type net from 'node:net'
import { unmapped } from '../loopback/endpoint.js'
import { processState } from '../process-state.js'
import { createSlot, type Slot } from '../slot.js'
import { WeakList } from '../weak-list.js'
import { observeClients } from './client-sockets.js'
import { Connection, type Protocol } from './connection.js'

/** Every socket that portside knows, shared by all copies of portside in the process. */
export interface Registry {
  /** All client sockets of this process since the first use of portside. */
  readonly clients: Iterable<net.Socket>
  /** How many client sockets have begun to connect so far. */
  dials: number
  /** Connections that a tracked server accepted. */
  readonly accepted: Set<Connection>
  /** The connection of a socket. A TLS connection is found by its raw and by its secure socket. */
  readonly connectionOf: Slot<Connection>
  /** Servers that portside closed, which must not listen again. */
  readonly closedServers: WeakSet<object>
}

export function registry(): Registry {
  shared ??= processState('sockets.registry', makeRegistry)
  return shared
}

let shared: Registry | undefined

function makeRegistry(): Registry {
  const clients = new WeakList<net.Socket>(({ destroyed }) => destroyed)
  const made: Registry = {
    clients,
    dials: 0,
    accepted: new Set(),
    connectionOf: createSlot(),
    closedServers: new WeakSet(),
  }
  observeClients((socket) => {
    clients.add(socket)
    made.dials++
  })
  return made
}

/** Makes and registers the connection of a socket. */
export function newConnection(
  socket: net.Socket,
  accepted: boolean,
  protocol?: (connection: Connection) => Protocol,
): Connection {
  const connection = new Connection(socket, accepted, protocol)
  registry().connectionOf.set(socket, connection)
  return connection
}

/** Both ends of a connection within this process. */
export interface Pair {
  readonly accepted: Connection
  readonly client: net.Socket
}

/** Finds the connections whose other end is in this process too. Takes connections of either side. */
export function pairUp(connections: Iterable<Connection>): Map<Connection, Pair> {
  const { clients, accepted, connectionOf } = registry()
  const pairs = new Map<Connection, Pair>()
  const wanted = [...connections]
  const clientAt = wanted.some((connection) => connection.accepted) ? indexByTuple(clients, localFirst) : undefined
  const acceptedAt = wanted.every((connection) => connection.accepted)
    ? undefined
    : indexByTuple(
        Array.from(accepted, ({ socket }) => socket),
        remoteFirst,
      )
  for (const connection of wanted) {
    if (connection.accepted) {
      const client = clientAt?.get(remoteFirst(connection.socket) ?? '')
      if (client !== undefined) pairs.set(connection, { accepted: connection, client })
    } else {
      const socket = acceptedAt?.get(localFirst(connection.socket) ?? '')
      const other = socket && connectionOf.get(socket)
      if (other !== undefined) pairs.set(connection, { accepted: other, client: connection.socket })
    }
  }
  return pairs
}

function indexByTuple(sockets: Iterable<net.Socket>, key: (socket: net.Socket) => string | undefined) {
  const index = new Map<string, net.Socket>()
  for (const socket of sockets) {
    const tuple = socket.destroyed ? undefined : key(socket)
    if (tuple !== undefined) index.set(tuple, socket)
  }
  return index
}

const localFirst = (socket: net.Socket) =>
  tupleKey(socket.localAddress, socket.localPort, socket.remoteAddress, socket.remotePort)
const remoteFirst = (socket: net.Socket) =>
  tupleKey(socket.remoteAddress, socket.remotePort, socket.localAddress, socket.localPort)

function tupleKey(from?: string, fromPort?: number, to?: string, toPort?: number): string | undefined {
  if (from === undefined || to === undefined) return undefined
  return `${unmapped(from)}|${fromPort}|${unmapped(to)}|${toPort}`
}
