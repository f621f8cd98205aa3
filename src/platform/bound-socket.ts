import net from 'node:net'

/** A TCP socket that is bound and does not listen. A server or client of this process can adopt it, which ends this object. */
export interface BoundSocket {
  /** Throws ERR_SOCKET_HANDLE_ADOPTED once it is adopted or closed. */
  address(): net.AddressInfo
  /** -1 on Windows. Throws like `address()`. */
  fd(): number
  /** Throws like `address()`. */
  close(): void
}

/** Binds when it is constructed, and throws the code of the system. A numeric address only. */
export type BoundSocketClass = new (options: { host: string; port: number }) => BoundSocket

/** `net.BoundSocket`, which Node has from 24.21 and 26 on (https://nodejs.org/api/net.html). Undefined where it is missing. */
export function boundSocketClass(module: object = net): BoundSocketClass | undefined {
  const { BoundSocket } = module as { BoundSocket?: BoundSocketClass }
  return typeof BoundSocket === 'function' ? BoundSocket : undefined
}
