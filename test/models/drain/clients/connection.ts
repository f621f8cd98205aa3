import net from 'node:net'
import tls from 'node:tls'
import { clock, type Seen, type SeenConnection } from '../seen.js'

/** The address that clients connect to, and the authority that they trust. */
export interface Target {
  readonly address: { readonly host: string; readonly port: number } | { readonly path: string }
  readonly ca: string | null
  /** The prefix of each request's name. */
  readonly name: string
}

/** A client in a schedule. */
export interface Playing {
  /** Begins nothing new, reads the rest, and ends connections that wait only for the client. */
  finish(): void
  /** Releases everything that the client itself still keeps. */
  discard(): void
}

export interface Dialled {
  readonly socket: net.Socket
  readonly seen: SeenConnection
}

export function dial(
  target: Target,
  seen: Seen,
  client: number,
  options: { allowHalfOpen?: boolean; h2?: boolean } = {},
): Dialled {
  const { h2 = false, allowHalfOpen = false } = options
  const to = { ...target.address, allowHalfOpen }
  const socket =
    target.ca === null
      ? net.connect(to)
      : tls.connect({ ...to, ca: target.ca, servername: 'localhost', ...(h2 ? { ALPNProtocols: ['h2'] } : {}) })
  return { socket, seen: watch(socket, seen, client) }
}

/** Notes what happens to a socket. */
export function watch(socket: net.Socket, { connections }: Seen, client: number): SeenConnection {
  const seen: SeenConnection = {
    client,
    port: 0,
    connectedAt: undefined,
    secured: false,
    written: 0,
    read: 0,
    endedAt: undefined,
    error: undefined,
    closed: false,
    own: undefined,
    toldToClose: false,
    upgraded: false,
    reset: false,
  }
  connections.push(seen)
  const connected = (): void => {
    seen.port = socket.localPort ?? 0
    seen.connectedAt ??= clock()
  }
  if (socket.connecting) socket.once('connect', connected)
  else connected()
  socket.once('secureConnect', () => {
    seen.secured = true
  })
  socket.once('end', () => {
    seen.endedAt = clock()
  })
  socket.on('error', (error: { code?: string; message: string }) => {
    // Undici destroys an ended socket with its own error.
    if (!error.code?.startsWith('UND_ERR')) seen.error ??= error.code ?? error.message
  })
  socket.once('close', () => {
    seen.closed = true
  })
  return seen
}

/** Closes the client's end before the server has closed the connection. */
export function leave({ socket, seen }: Dialled, how: 'end' | 'reset'): void {
  if (seen.endedAt === undefined && !socket.destroyed) seen.own ??= how
  if (how === 'reset') seen.reset = true
  // Node cannot reset a socket that is sending its FIN: it fails with EINVAL and never closes the socket.
  const leaving = socket.writableEnded && !socket.writableFinished
  if (how === 'end') socket.end()
  else if (socket instanceof tls.TLSSocket || seen.port === 0 || leaving) socket.destroy()
  else socket.resetAndDestroy()
}

export const wait = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))
