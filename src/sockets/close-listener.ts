import type net from 'node:net'
import type { Undo } from '../disposal.js'
import { handleOf, hideHttp2Sessions, type SocketHandle, wasEverBound } from '../platform/node-internals.js'
import { patch } from '../platform/patches.js'
import { registry } from './registry.js'

/** Without the idle connections of an HTTP server and the sessions of HTTP/2, which `close()` would end: they are drained. */
export function closeListener(
  server: net.Server,
  close = (closed: () => void): unknown => server.close(closed),
): Promise<void> {
  if (!mayListen(server)) return Promise.resolve()
  registry().closedServers.add(server)
  const undos = [keepIdleConnections(server), hideHttp2Sessions(server)]
  try {
    return new Promise((resolve) => {
      let waiting = 1
      const done = (): void => {
        if (--waiting === 0) resolve()
      }
      const handle = handleOf(server)
      if (typeof handle?.close === 'function') {
        waiting++
        whenHandleCloses(handle as ClosableHandle, done)
      }
      close(done)
    })
  } finally {
    for (const undo of undos) undo?.()
  }
}

/** HTTP/1 and secure HTTP/2. Undefined for other servers. */
function keepIdleConnections(server: net.Server & { closeIdleConnections?: () => void }): Undo | undefined {
  if (server.closeIdleConnections === undefined) return undefined
  return patch(
    server as { closeIdleConnections: () => void },
    'closeIdleConnections',
    () => () => {},
    'the end that closes first keeps the TIME_WAIT (RFC 9293 §3.6.1)',
  )
}

type ClosableHandle = Required<Pick<SocketHandle, 'close'>>

/** Calls back when libuv has closed the handle. */
function whenHandleCloses(handle: ClosableHandle, done: () => void): void {
  const undo = patch(
    handle,
    'close',
    (close) => (closed) => {
      undo()
      close.call(handle, () => {
        closed?.()
        done()
      })
    },
    "'close' of a server comes before libuv has closed its handle, an active resource until then",
  )
}

/** Listens, or may be about to: Node reports a pending listen only when it ends, and `close()` cancels it. */
export function mayListen(server: net.Server): boolean {
  return server.listening || !wasEverBound(server)
}
