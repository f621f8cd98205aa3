/** Where one end of a TCP or UDP socket is, in the shape of `net.AddressInfo`. */
export interface SocketAddress {
  readonly address: string
  readonly port: number
  readonly family: 'IPv4' | 'IPv6'
}

/**
 * The states of TCP as the kernel names them (RFC 9293 §3.3.2, include/net/tcp_states.h). A bound UDP socket and an unbound
 * unix socket are `UNCONN`, one with a peer is `ESTABLISHED`, as ss(8) has it.
 */
export const STATES = [
  'CLOSE',
  'CLOSE_WAIT',
  'CLOSING',
  'ESTABLISHED',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'LAST_ACK',
  'LISTEN',
  'SYN_RECV',
  'SYN_SENT',
  'TIME_WAIT',
  'UNCONN',
  'UNKNOWN',
] as const

export type SocketState = (typeof STATES)[number]

/** Who has a socket. */
export interface SocketHolder {
  /** Undefined where no process has it, or none that can be seen: `hidden` says which. */
  readonly pid?: number | undefined
  /** What the process calls itself: `node`, `postgres`. */
  readonly program?: string | undefined
  /** Why there is no pid. */
  readonly hidden?: string | undefined
}

/** One socket, as the operating system tells of it. */
export interface SocketEntry extends SocketHolder {
  readonly protocol: 'tcp' | 'udp' | 'unix'
  readonly state: SocketState
  /**
   * Where it is bound; an IPv4-mapped address as the IPv4 address it means. The path of a unix socket: an abstract name
   * begins with `@` (unix(7)), and one without a name is the empty string.
   */
  readonly local: SocketAddress | string
  /** Its peer, where it has one. */
  readonly remote?: SocketAddress | undefined
  /** The number by which `/proc/PID/fd` refers to it. Undefined in TIME_WAIT, and where the system has none. */
  readonly inode?: number | undefined
  /** The user who made it. */
  readonly uid?: number | undefined
  /** Bytes that wait to be read; of a TCP listener, the connections in its accept queue. */
  readonly receiveQueue?: number | undefined
  /** Bytes that the peer has not acknowledged. */
  readonly sendQueue?: number | undefined
}

/** Which sockets to tell of. Everything that is given must fit. */
export interface SocketFilter {
  readonly protocol?: SocketEntry['protocol']
  readonly state?: SocketState
  /** The local address; of a unix socket its path. */
  readonly address?: string
  /** The local port. */
  readonly port?: number
  readonly pid?: number
}

export function fits(entry: SocketEntry, { protocol, state, address, port, pid }: SocketFilter): boolean {
  const { local } = entry
  return (
    (protocol === undefined || entry.protocol === protocol) &&
    (state === undefined || entry.state === state) &&
    (address === undefined || (typeof local === 'string' ? local : local.address) === address) &&
    (port === undefined || (typeof local === 'object' && local.port === port)) &&
    // Last, for it may have to be looked up.
    (pid === undefined || entry.pid === pid)
  )
}
