// What clients have seen; sent from one process to another.

/** One connection at its client's end. Times are those of `clock()`, in milliseconds. */
export interface SeenConnection {
  readonly client: number
  /** The local port; 0 of a unix socket or one that was never connected. */
  port: number
  connectedAt: number | undefined
  /** TLS: the handshake is done. */
  secured: boolean
  /** Bytes of the application that were written and read. */
  written: number
  read: number
  endedAt: number | undefined
  error: string | undefined
  closed: boolean
  /** What the client did by itself before its end of file: nothing more is owed to it, or to its kernel. */
  own: 'end' | 'reset' | undefined
  /** A response has said `Connection: close`: what was written behind its request is not handled (RFC 9112 §9.6). */
  toldToClose: boolean
  /** Bytes that came back from an upgraded or plain connection. */
  upgraded: boolean
  /** The client has cut the connection, at any time. */
  reset: boolean
}

export interface SeenRequest {
  readonly id: string
  readonly client: number
  /** Index of its connection in `connections`; undefined until it has one. */
  connection: number | undefined
  /** Where its head begins in the bytes of its connection. Known of clients by steps. */
  start: number | undefined
  /** When all of it was written. */
  writtenAt: number | undefined
  answered: boolean
  error: string | undefined
}

export interface Seen {
  readonly connections: SeenConnection[]
  readonly requests: SeenRequest[]
}

/**
 * The same for all processes of the machine. `performance.timeOrigin` is some milliseconds off in a process that was held up
 * while it started.
 */
export const clock = (): number => Number(process.hrtime.bigint()) / 1e6
