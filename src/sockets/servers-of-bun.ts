import type net from 'node:net'
import { patch } from '../platform/patches.js'
import { processState } from '../process-state.js'

/** Hears of the servers of this process. */
export interface ServerObserver {
  /** `listen()` is called. */
  listens(server: net.Server): void
  /** The server is bound. */
  listening(server: net.Server): void
  accepted(socket: net.Socket): void
}

/** Bun publishes none of the diagnostics channels of servers, so this follows the methods of their classes. Cannot be undone. */
export function observeServersOfBun(observer: ServerObserver): void {
  processState('sockets.servers-of-bun', startObserving).push(observer)
}

function startObserving(): ServerObserver[] {
  const observers: ServerObserver[] = []
  // In Bun an http.Server is no net.Server.
  for (const { prototype } of [
    process.getBuiltinModule('node:net').Server,
    process.getBuiltinModule('node:http').Server,
  ]) {
    follow(prototype, observers)
  }
  return observers
}

/** Never undone, because the state of this process keeps its observers. */
function follow(prototype: net.Server, observers: readonly ServerObserver[]): void {
  const because = 'Bun has no diagnostics channels of servers'
  patch(
    prototype,
    'listen',
    (listen) =>
      function (this: net.Server, ...args: unknown[]) {
        for (const observer of observers) observer.listens(this)
        return Reflect.apply(listen, this, args)
      } as typeof listen,
    because,
  )
  patch(
    prototype,
    'emit',
    (emit) =>
      function (this: net.Server, event: string, ...args: unknown[]) {
        if (event === 'listening') for (const observer of observers) observer.listening(this)
        if (event === 'connection') for (const observer of observers) observer.accepted(args[0] as net.Socket)
        return Reflect.apply(emit, this, [event, ...args])
      } as typeof emit,
    because,
  )
}
