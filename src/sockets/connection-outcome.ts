import type { Endpoint } from '../loopback/endpoint.js'
import type { ConnectionState } from './connection.js'

/**
 * How a drain closed one connection.
 *
 * @see `docs/sockets.md#the-report`
 */
export interface ConnectionOutcome {
  /** The local endpoint; for a unix socket its path or `''`; `''` if the socket was destroyed before the drain began. */
  local: Endpoint | string
  /** The remote endpoint. Undefined for a unix socket, and if the socket was destroyed before the drain began. */
  remote: Endpoint | string | undefined
  /** `'closed'`: within the grace, without force. `'destroyed'` or `'reset'`: by force. */
  outcome: 'closed' | 'destroyed' | 'reset'
  /** The state of the connection when the drain began. */
  state: ConnectionState
  /** Milliseconds from the moment it was tracked until it closed. */
  age: number
  /** Bytes that your stream read; for TLS, the plain bytes. */
  bytesRead: number
  /** Bytes written to your stream; for TLS, the plain bytes. */
  bytesWritten: number
  /** Bytes that Node still held when force was used, and did not send. */
  pendingBytes: number
  /** The request line in flight when the drain began, such as `GET /users`. */
  request?: string
  /** The first error of the socket, such as a peer's reset. */
  error?: Error
}
