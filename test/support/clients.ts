import { once } from 'node:events'
import type net from 'node:net'
import timers from 'node:timers'
import tls from 'node:tls'
import { onTestFinished } from 'vitest'

// Clients as users write them, in plain Node without portside. Each client records its events.

const { setImmediate } = timers

/** One turn of the event loop, even under fake timers. */
export const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** Waits for a condition that has no event. If it never becomes true, the test times out. */
export async function until(condition: () => unknown): Promise<void> {
  while (!condition()) await turn()
}

/** A promise and the function that resolves it. */
export function gate<T = void>(): { readonly opened: Promise<T>; open(value: T): void } {
  let open: (value: T) => void = () => {}
  const opened = new Promise<T>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

/** A client socket, and the events that its user has seen. */
export interface Peer {
  readonly socket: net.Socket
  /** The names of the 'end', 'error' and 'close' events, in order. */
  readonly events: string[]
  readonly errors: Error[]
  readonly connected: Promise<void>
  readonly ended: Promise<void>
  readonly closed: Promise<void>
  /** Everything received so far. */
  text(): string
  /** The number of bytes received so far. */
  bytes(): number
  write(data: string | Buffer): void
  /** Waits until this text has been received. */
  receives(text: string): Promise<void>
}

export interface PeerOptions {
  /** Default true. If false, data stays in the stream or in the kernel. */
  reads?: boolean
}

export type Target = { port: number; host: string } | { path: string }

/** The address that a client of this server connects to. */
export function targetOf(server: { address: string; port: number }): Target {
  return server.port === 0 ? { path: server.address } : { host: server.address, port: server.port }
}

/** Watches a client socket, and destroys it at the end of the test. */
export function watch(socket: net.Socket, { reads = true }: PeerOptions = {}): Peer {
  const events: string[] = []
  const errors: Error[] = []
  const chunks: Buffer[] = []
  const waiting = new Set<() => void>()
  const [connected, ended, closed] = [gate(), gate(), gate()]
  socket.once(socket instanceof tls.TLSSocket ? 'secureConnect' : 'connect', () => connected.open())
  socket.on('error', (error) => {
    errors.push(error)
    events.push('error')
  })
  socket.on('end', () => {
    events.push('end')
    ended.open()
  })
  socket.on('close', () => {
    events.push('close')
    closed.open()
  })
  if (reads) {
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      for (const check of waiting) check()
    })
  }
  const text = () => Buffer.concat(chunks).toString('latin1')
  onTestFinished(() => void socket.destroy())
  return {
    socket,
    events,
    errors,
    connected: connected.opened,
    ended: ended.opened,
    closed: closed.opened,
    text,
    bytes: () => chunks.reduce((sum, { length }) => sum + length, 0),
    write: (data) => void socket.write(data),
    async receives(expected) {
      const { opened, open } = gate()
      const check = (): void => {
        if (text().includes(expected)) open()
      }
      waiting.add(check)
      check()
      await opened
      waiting.delete(check)
    },
  }
}

/** Records the errors that a server reports about its connections, by the event that reported them. */
export function watchServer(server: net.Server): string[] {
  const errors: string[] = []
  const note = (where: string) => (error: Error & { code?: string }) =>
    void errors.push(`${where}: ${error.code ?? error.message}`)
  server.on('connection', (socket) => socket.on('error', note('socket')))
  server.on('secureConnection', (socket) => socket.on('error', note('secure socket')))
  server.on('session', (session) => session.on('error', note('session')))
  server.on('stream', (stream) => stream.on('error', note('stream')))
  server.on('tlsClientError', note('tlsClientError'))
  server.on('sessionError', note('sessionError'))
  server.on('request', (request, response) => {
    request.on('error', note('request'))
    response.on('error', note('response'))
  })
  server.on('error', note('server'))
  return errors
}

/** The next connection that the server accepts, after the handshake if it speaks TLS. */
export async function nextConnection(server: net.Server): Promise<net.Socket> {
  const [socket] = await once(server, server instanceof tls.Server ? 'secureConnection' : 'connection')
  return socket as net.Socket
}

/** The request of an HTTP/1 client. */
export const get = (path: string, ...headers: string[]): string =>
  [`GET ${path} HTTP/1.1`, 'Host: localhost', ...headers, '', ''].join('\r\n')

/** The bodies of the complete responses with `Content-Length` in the text. */
export function bodiesIn(text: string): string[] {
  const bodies: string[] = []
  let rest = text
  for (;;) {
    const head = rest.indexOf('\r\n\r\n')
    if (head < 0) return bodies
    const length = Number(/content-length: (\d+)/i.exec(rest.slice(0, head))?.[1] ?? 0)
    const end = head + 4 + length
    if (rest.length < end) return bodies
    bodies.push(rest.slice(head + 4, end))
    rest = rest.slice(end)
  }
}
