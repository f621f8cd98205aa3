import type net from 'node:net'
import type { Undo } from '../disposal.js'
import { handleOf, hideHttp2Sessions, type SocketHandle, wasEverBound } from '../platform/node-internals.js'
import { patch } from '../platform/patches.js'
import { registry } from './registry.js'

/** Closes only the listener. `server.close()` of Node also ends idle HTTP connections and HTTP/2 sessions; a drain does that. */
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

/** For HTTP/1 and secure HTTP/2; undefined for other servers. */
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

/** True also if a listen may be pending: Node reports it only when it completes, and `close()` cancels it. */
export function mayListen(server: net.Server): boolean {
  return server.listening || !wasEverBound(server)
}
