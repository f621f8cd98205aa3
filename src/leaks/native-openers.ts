import type { Runtime } from '../platform/runtime.js'

/** A function of a runtime that opens a socket without Node's modules. */
export interface Opener {
  readonly name: string
  /** The end of the socket that it returns: its own port or path, of a listener or of a connection. */
  readonly endOfResult?: (result: unknown) => string | undefined
  /** The end that its first argument names: the path of the other side. */
  readonly endOfArgument?: (given: unknown) => string | undefined
  readonly howToClose: string
}

/** A server or listener of Bun. */
const bunListener = (result: unknown): string | undefined => {
  const { port, unix } = (result ?? {}) as { readonly port?: number; readonly unix?: string }
  return named('listener', port ?? unix)
}

const bunPeer = (given: unknown): string | undefined =>
  named('to', (given as { readonly unix?: unknown } | undefined)?.unix)

/** https://bun.com/reference/bun/Socket/localPort */
const bunConnection = (result: unknown): string | undefined =>
  named('from', (result as { readonly localPort?: number } | undefined)?.localPort)

interface DenoAddress {
  readonly port?: number
  readonly path?: string
}

/** A listener and a server of Deno have `addr`, a connection has `localAddr` (https://docs.deno.com/api/deno/network). */
const denoListener = (result: unknown): string | undefined => {
  const { addr } = (result ?? {}) as { readonly addr?: DenoAddress }
  return named('listener', addr?.port ?? addr?.path)
}

const denoConnection = (result: unknown): string | undefined => {
  const { localAddr } = (result ?? {}) as { readonly localAddr?: DenoAddress }
  return named('from', localAddr?.port)
}

const denoPeer = (given: unknown): string | undefined => named('to', (given as DenoAddress | undefined)?.path)

const named = (role: 'listener' | 'from' | 'to', end: unknown): string | undefined =>
  end === undefined ? undefined : `${role} ${end}`

export const OPENERS: Readonly<Record<Exclude<Runtime, 'Node'>, readonly Opener[]>> = {
  Bun: [
    { name: 'serve', endOfResult: bunListener, howToClose: 'server.stop(true)' },
    { name: 'listen', endOfResult: bunListener, howToClose: 'listener.stop(true)' },
    { name: 'connect', endOfResult: bunConnection, endOfArgument: bunPeer, howToClose: 'socket.end()' },
    { name: 'udpSocket', endOfResult: bunListener, howToClose: 'socket.close()' },
  ],
  Deno: [
    { name: 'serve', endOfResult: denoListener, howToClose: 'server.shutdown()' },
    { name: 'listen', endOfResult: denoListener, howToClose: 'listener.close()' },
    { name: 'listenTls', endOfResult: denoListener, howToClose: 'listener.close()' },
    { name: 'listenDatagram', endOfResult: denoListener, howToClose: 'socket.close()' },
    { name: 'connect', endOfResult: denoConnection, endOfArgument: denoPeer, howToClose: 'conn.close()' },
    { name: 'connectTls', endOfResult: denoConnection, howToClose: 'conn.close()' },
  ],
}
