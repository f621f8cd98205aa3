import type net from 'node:net'

interface End {
  readonly address?: string | undefined
  readonly port?: number | undefined
}

/**
 * Whether a socket of this process has both endpoints. Node has no public list of its handles. `_getActiveHandles()` of `process` exists
 * in Node 20 to 26, and omits handles that are unref'd.
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
