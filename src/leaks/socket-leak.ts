import type { Endpoint } from '../loopback/endpoint.js'
import type { SocketState } from '../socket-table/socket-entry.js'
import type { StackFrame } from './stack-frame.js'

/** A socket that was opened and not closed. */
export interface SocketLeak {
  /**
   * `client` and `accepted` are the two ends of a TCP connection; `unix` is either end of a connection over a unix socket, a
   * named pipe, or a pipe to a child process; `untracked` is one that the kernel knows and no object of Node explains.
   */
  readonly kind: 'client' | 'accepted' | 'listener' | 'udp' | 'unix' | 'untracked'
  readonly local?: Endpoint | string | undefined
  readonly remote?: Endpoint | string | undefined
  readonly fd?: number | undefined
  readonly inode?: number | undefined
  /** Of the kernel, as in its tables: `ESTABLISHED`, `CLOSE_WAIT`. Linux only. */
  readonly state?: SocketState | undefined
  /**
   * The stack that opened it, innermost first, without Node, portside and the runner; of a pooled connection the stack of its
   * last request, of an accepted one that of its client.
   */
  readonly openedAt: readonly StackFrame[]
  /** Of an accepted connection. */
  readonly acceptedBy?: { readonly local: Endpoint | string; readonly openedAt: readonly StackFrame[] } | undefined
  /** The last request on a connection of a client pool: `GET /large`. */
  readonly request?: string | undefined
  /** The full name of the test that opened it, where one did. */
  readonly test?: string | undefined
  /** True where that test had ended when it was opened: by something that it has started and not waited for. */
  readonly late?: boolean | undefined
  /**
   * Of a client that has no socket now and will dial again: how many of its dials failed or were cut, the last answer
   * (`ECONNREFUSED`), and in how many milliseconds its timer fires, where it waits for one.
   */
  readonly redials?: { readonly failed: number; readonly answer: string; readonly due?: number | undefined } | undefined
  /** The path of that test's file. */
  readonly file?: string | undefined
  /** The call that closes it: `socket.destroy()`. */
  readonly howToClose: string
}
