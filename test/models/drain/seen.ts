// The observations of clients, which one process sends to another.

/** One connection at its client's end. Times are those of `clock()`, in milliseconds. */
export interface SeenConnection {
  readonly client: number
  /** The local port; 0 for a unix socket or a socket that was never connected. */
  port: number
  connectedAt: number | undefined
  /** TLS: the handshake is complete. */
  secured: boolean
  /** Bytes that the application wrote and read. */
  written: number
  read: number
  endedAt: number | undefined
  error: string | undefined
  closed: boolean
  /** How the client closed before its end of file. Nothing more is owed to it, or to its kernel. */
  own: 'end' | 'reset' | undefined
  /** A response has said `Connection: close`, so later requests are not handled (RFC 9112 §9.6). */
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
  /** The position of its head in the bytes of its connection. Only known for clients that play steps. */
  start: number | undefined
  /** The time when it was completely written. */
  writtenAt: number | undefined
  answered: boolean
  error: string | undefined
}

export interface Seen {
  readonly connections: SeenConnection[]
  readonly requests: SeenRequest[]
}

/**
 * A clock that all processes of the machine share. `performance.timeOrigin` is some milliseconds off in a process that was held up
 * while it started.
 */
export const clock = (): number => Number(process.hrtime.bigint()) / 1e6
