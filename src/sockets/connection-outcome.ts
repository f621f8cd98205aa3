import type { Endpoint } from '../loopback/endpoint.js'
import type { ConnectionState } from './connection.js'

/** How one connection of a drain ended. */
export interface ConnectionOutcome {
  local: Endpoint | string
  remote: Endpoint | string | undefined
  /** `closed`: within the grace, without force. */
  outcome: 'closed' | 'destroyed' | 'reset'
  /** What the connection was doing when the drain began. */
  state: ConnectionState
  /** Milliseconds since it was tracked, when the drain ended it. */
  age: number
  bytesRead: number
  bytesWritten: number
  /** Bytes that Node still held when force was used. */
  pendingBytes: number
  /** The request line in flight when the drain began. */
  request?: string
  /** The first error that the socket raised in its life, such as a peer's reset. */
  error?: Error
}
