import diagnostics from 'node:diagnostics_channel'
import net from 'node:net'
import { hear } from '../platform/channels.js'
import { patch } from '../platform/patches.js'
import { processState } from '../process-state.js'

/** Calls the listener with every client socket of this process when it begins to connect. Cannot be undone. */
export function observeClients(listener: (socket: net.Socket) => void): void {
  processState('sockets.clients', startObserving).push(listener)
}

type Listeners = Array<(socket: net.Socket) => void>

function startObserving(): Listeners {
  const listeners: Listeners = []
  const tell = (socket: net.Socket): void => {
    for (const listener of listeners) listener(socket)
  }
  // Before 22.17 and 24.2 the channel reports only `net.connect`, not `tls.connect` and `new Socket().connect`. A connect that
  // fails within the call shows which. https://nodejs.org/api/diagnostics_channel.html
  let heard = false
  const listen = (): void => {
    heard = true
  }
  diagnostics.subscribe('net.client.socket', listen)
  try {
    // It throws before it makes a handle. A real socket would take longer to make than this module takes to load.
    Reflect.apply(net.Socket.prototype.connect, Object.create(net.Socket.prototype), [{}])
  } catch {
    // ERR_MISSING_ARGS, as intended.
  }
  diagnostics.unsubscribe('net.client.socket', listen)
  if (heard) {
    hear<{ socket: net.Socket }>('net.client.socket', ({ socket }) => tell(socket))
    return listeners
  }
  // Never undone, because the state of this process keeps its listeners.
  patch(
    net.Socket.prototype,
    'connect',
    (connect) =>
      function (this: net.Socket, ...args: unknown[]) {
        tell(this)
        return Reflect.apply(connect, this, args)
      } as typeof connect,
    'diagnostics_channel reports net.connect() only',
  )
  return listeners
}
