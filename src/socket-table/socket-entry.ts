/** The address of one end of a TCP or UDP socket, in the shape of `net.AddressInfo`. */
export interface SocketAddress {
  readonly address: string
  readonly port: number
  readonly family: 'IPv4' | 'IPv6'
}

/**
 * A state of TCP with the name of the kernel (RFC 9293 §3.3.2). UDP and unix sockets are `UNCONN` without a peer, `ESTABLISHED` with
 * one, as in ss(8).
 */
export type SocketState =
  | 'CLOSE'
  | 'CLOSE_WAIT'
  | 'CLOSING'
  | 'ESTABLISHED'
  | 'FIN_WAIT1'
  | 'FIN_WAIT2'
  | 'LAST_ACK'
  | 'LISTEN'
  | 'SYN_RECV'
  | 'SYN_SENT'
  | 'TIME_WAIT'
  | 'UNCONN'
  | 'UNKNOWN'

const EACH_STATE: Readonly<Record<SocketState, true>> = {
  CLOSE: true,
  CLOSE_WAIT: true,
  CLOSING: true,
  ESTABLISHED: true,
  FIN_WAIT1: true,
  FIN_WAIT2: true,
  LAST_ACK: true,
  LISTEN: true,
  SYN_RECV: true,
  SYN_SENT: true,
  TIME_WAIT: true,
  UNCONN: true,
  UNKNOWN: true,
}
export const STATES = Object.keys(EACH_STATE) as SocketState[]

/** The process that has a socket. */
export interface SocketHolder {
  /** Undefined if no process has it, or none that is visible: `hidden` says which. */
  readonly pid?: number | undefined
  /** The name of its program: `node`, `postgres`. */
  readonly program?: string | undefined
  /** Why there is no pid. */
  readonly hidden?: string | undefined
}

/**
 * One socket in the table of the operating system.
 * @see `docs/socket-table.md#readsockettable`
 */
export interface SocketEntry extends SocketHolder {
  /** `local.family` distinguishes IPv4 and IPv6. */
  readonly protocol: 'tcp' | 'udp' | 'unix'
  /** The name that the kernel gives its state. `UNKNOWN` if the system does not show it. */
  readonly state: SocketState
  /**
   * The bound address; an IPv4-mapped address becomes IPv4. For a unix socket the path: an abstract name begins with `@` (unix(7)),
   * and a socket without a name has the empty string.
   */
  readonly local: SocketAddress | string
  /** Its peer. Undefined without a peer, and for unix sockets. */
  readonly remote?: SocketAddress | undefined
  /** The unique number of the socket, which `/proc/PID/fd` shows. Undefined in TIME_WAIT, and where the system has no inodes. */
  readonly inode?: number | undefined
  /** The user who created it. */
  readonly uid?: number | undefined
  /** Bytes waiting to be read; for a TCP listener the connections in its accept queue. */
  readonly receiveQueue?: number | undefined
  /** Bytes that the peer has not acknowledged. */
  readonly sendQueue?: number | undefined
}

/**
 * The sockets to keep. A socket must match all fields that are set.
 * @see `docs/socket-table.md#readsockettable`
 */
export interface SocketFilter {
  /** Only the tables of this protocol are read. */
  readonly protocol?: SocketEntry['protocol']
  /** One state, such as `LISTEN`. */
  readonly state?: SocketState
  /** The local address as the kernel writes it, such as `127.0.0.1` or `0.0.0.0`; for a unix socket its path. */
  readonly address?: string
  /** The local port. */
  readonly port?: number
  /** A process that has the socket among its descriptors. */
  readonly pid?: number
}

export function fits(entry: SocketEntry, { protocol, state, address, port, pid }: SocketFilter): boolean {
  const { local } = entry
  return (
    (protocol === undefined || entry.protocol === protocol) &&
    (state === undefined || entry.state === state) &&
    (address === undefined || (typeof local === 'string' ? local : local.address) === address) &&
    (port === undefined || (typeof local === 'object' && local.port === port)) &&
    // Last, because it may need a lookup.
    (pid === undefined || entry.pid === pid)
  )
}
