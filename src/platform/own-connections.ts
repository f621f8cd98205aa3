import type net from 'node:net'

interface End {
  readonly address?: string | undefined
  readonly port?: number | undefined
}

/**
 * Whether a socket of this process has the two endpoints. Node lists its handles in no public way: `_getActiveHandles()` of
 * `process` is there in Node 20 to 26, and leaves out those that are unref'd.
 */
export function hasOwnConnection(local: End, remote: End): boolean {
  const { _getActiveHandles: list } = process as { _getActiveHandles?: () => unknown[] }
  return (list?.call(process) ?? []).some((handle) => {
    const { localAddress, localPort, remoteAddress, remotePort } = (handle ?? {}) as Partial<net.Socket>
    return (
      localPort === local.port &&
      remotePort === remote.port &&
      localAddress === local.address &&
      remoteAddress === remote.address
    )
  })
}
