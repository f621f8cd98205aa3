/** What Node has below a socket: the object of libuv, as far as it is read here. */
export interface SocketHandle {
  readonly fd?: number | undefined
  hasRef?(): boolean
  close?(): void
  /** Of a TLS handle: the one below. */
  readonly _parent?: SocketHandle | null
  getsockname?(name: object): number
  getpeername?(name: object): number
}

/**
 * Whether a handle has a socket of the kernel. Its descriptor is -1 before it has one, and again from the moment in which it
 * is closed, before any 'close' is emitted. A handle without descriptors, as those that a cluster's primary listens for,
 * has one until its owner is destroyed; so have all on Windows, where `fd` is always -1.
 */
export function isHandleOpen(
  handle: SocketHandle | null | undefined,
  destroyed: boolean,
  platform: NodeJS.Platform = process.platform,
): boolean {
  if (handle == null) return false
  if (platform === 'win32' || typeof handle.fd !== 'number') return !destroyed
  return handle.fd >= 0
}

/** Whether a handle keeps its process alive. A TLS handle does not say so itself. */
export function isRef(handle: SocketHandle | null | undefined): boolean {
  return (handle?.hasRef?.() ?? handle?._parent?.hasRef?.()) !== false
}
