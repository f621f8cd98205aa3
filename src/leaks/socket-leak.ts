import type { Endpoint } from '../loopback/endpoint.js'
import type { SocketState } from '../socket-table/socket-entry.js'
import type { StackFrame } from './stack-frame.js'

/** A socket that was opened and not closed. */
export interface SocketLeak {
  /**
   * `client` and `accepted` are the two ends of a TCP connection. `unix` is either end of a unix socket or a named pipe, or a pipe to a
   * child process. An `untracked` socket is known to the kernel, but no object of Node explains it.
   * A bound socket that holds the port of a reservation is a `listener`.
   */
  readonly kind: 'client' | 'accepted' | 'listener' | 'udp' | 'unix' | 'untracked'
  /** Its own end: an endpoint, or the path of a unix socket. */
  readonly local?: Endpoint | string | undefined
  /** The other end. Node does not say which path a client of a unix socket has connected to. */
  readonly remote?: Endpoint | string | undefined
  /** The descriptor in this process. */
  readonly fd?: number | undefined
  /** The inode in the kernel's table. */
  readonly inode?: number | undefined
  /** The state in the kernel's table: `ESTABLISHED`, `CLOSE_WAIT`. Linux only. */
  readonly state?: SocketState | undefined
  /**
   * The stack that opened it, innermost first, without frames of Node, portside and the runner. Of a pooled connection: the stack of its
   * last request. Of an accepted connection: the stack of its client.
   */
  readonly openedAt: readonly StackFrame[]
  /** The listener of an accepted connection: its address, and the stack that opened it. */
  readonly acceptedBy?: { readonly local: Endpoint | string; readonly openedAt: readonly StackFrame[] } | undefined
  /** The last request on a connection of a client pool: `GET /large`. */
  readonly request?: string | undefined
  /** The full name of the test that opened it. Undefined if no test did. */
  readonly test?: string | undefined
  /** True if the test had already ended when the socket was opened, by something that it started and did not wait for. */
  readonly late?: boolean | undefined
  /**
   * Only for a client that has no socket now and will reconnect: how many of its connections failed or were cut, and the last answer, such
   * as `ECONNREFUSED`. `due` is the number of milliseconds until its timer fires, if it has a timer.
   */
  readonly redials?: { readonly failed: number; readonly answer: string; readonly due?: number | undefined } | undefined
  /** The path of the test file. */
  readonly file?: string | undefined
  /** The call that closes it: `socket.destroy()`. */
  readonly howToClose: string
}
