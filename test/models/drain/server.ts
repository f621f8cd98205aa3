import diagnostics from 'node:diagnostics_channel'
import http from 'node:http'
import type net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type * as portside from '../../../src/index.js'
import type { Target } from './clients/connection.js'
import type { Schedule } from './schedule.js'
import { clock } from './seen.js'

/** The package under test: its sources, or the built package. */
export type Portside = typeof portside

/** A connection as an independent listener saw it. */
export interface Accepted {
  readonly socket: net.Socket
  /** The connection on top of it, which is another socket for TLS. */
  stream: net.Socket
  readonly port: number
  error: string | undefined
  closed: boolean
  closedAt: number | undefined
}

/** A request that the handler has begun. */
export interface Begun {
  readonly id: string
  readonly at: number
  readonly accepted: Accepted | undefined
}

export interface Served {
  readonly listener: Listener
  readonly target: Target
  readonly accepted: Accepted[]
  readonly begun: Map<string, Begun>
  /** Called for each request that begins. */
  onBegun: () => void
}

/** The part that all servers of portside share. */
export interface Listener {
  readonly server: net.Server
  readonly address: string
  readonly port: number
  readonly ca?: string
  close(options?: portside.DrainOptions): Promise<portside.DrainReport>
}

/** Starts the server of a schedule, with a handler that notes what it has begun. */
export async function serve({ protocol, serves }: Schedule, portside: Portside, name: string): Promise<Served> {
  const accepted: Accepted[] = []
  const begun = new Map<string, Begun>()
  const handler = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    const [, id = '', kind = '', n = ''] = (request.url ?? '').split('/')
    const { remotePort } = request.socket
    const own = accepted.find(
      ({ port, socket, stream }) =>
        stream === request.socket || socket === request.socket || (port !== 0 && port === remotePort),
    )
    begun.set(id, { id, at: clock(), accepted: own })
    served.onBegun()
    void react(id, kind, Number(n), request, response)
  }
  const bytes =
    serves === 'echo'
      ? undefined
      : (socket: net.Socket) => {
          socket.resume()
          if (serves === 'greeting') socket.write(Buffer.alloc(400_000, 'g'))
        }
  const listener = await start()
  async function start(): Promise<Listener> {
    switch (protocol) {
      case 'http':
        return portside.listenHttp(handler)
      case 'https':
        return portside.listenHttps(handler)
      case 'http-unix':
        return portside.listen(http.createServer(handler), {
          path: join(tmpdir(), `drain-model-${process.pid}-${name}`),
        })
      case 'h2c':
        return portside.listenHttp2(handler as never)
      case 'h2':
        return portside.listenHttp2(handler as never, { secure: true })
      case 'net':
        return portside.listenTcp(bytes)
      case 'tls':
        return portside.listenTls(bytes)
      case 'unix':
        return portside.listenUnix(bytes)
    }
  }
  const address = listener.port === 0 ? { path: listener.address } : { host: listener.address, port: listener.port }
  const served: Served = {
    listener,
    target: { address, ca: listener.ca ?? null, name },
    accepted,
    begun,
    onBegun: () => {},
  }
  const note = (socket: net.Socket): void => {
    if (!accepted.some((known) => known.socket === socket)) accepted.push(observe(socket))
  }
  listener.server.on('connection', note)
  // Includes connections that close before the server gets them.
  const noteOwn = (message: unknown): void => {
    const { socket } = message as { socket: net.Socket & { server?: net.Server } }
    if (socket.server === listener.server) note(socket)
  }
  diagnostics.subscribe('net.server.socket', noteOwn)
  listener.server.once('close', () => diagnostics.unsubscribe('net.server.socket', noteOwn))
  listener.server.on('secureConnection', (stream: net.Socket) => {
    const own = accepted.find(({ port, closed }) => !closed && port === stream.remotePort)
    if (own === undefined) return
    own.stream = stream
    stream.on('error', noteError(own))
  })
  listener.server.on('upgrade', (_request, socket: net.Socket) => {
    if (!socket.writable) return
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n')
    socket.on('data', (chunk) => {
      if (socket.writable) socket.write(chunk)
    })
    socket.on('end', () => socket.end())
  })
  return served
}

function observe(socket: net.Socket): Accepted {
  const accepted: Accepted = {
    socket,
    stream: socket,
    port: socket.remotePort ?? 0,
    error: undefined,
    closed: false,
    closedAt: undefined,
  }
  socket.on('error', noteError(accepted))
  socket.once('close', () => {
    accepted.closed = true
    accepted.closedAt = clock()
  })
  return accepted
}

const noteError = (accepted: Accepted) => (error: { code?: string; message: string }) => {
  accepted.error ??= error.code ?? error.message
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
const wait = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))

/** Answers with a body that ends with the request's name. */
async function react(
  id: string,
  kind: string,
  n: number,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  if (kind === 'stream') {
    response.writeHead(200)
    for (let i = 0; i < n; i++) {
      response.write('s'.repeat(1000))
      await wait(2)
    }
    response.end(`end:${id};`)
    return
  }
  if (kind === 'turns') for (let i = 0; i < n; i++) await turn()
  if (kind === 'ms') await wait(n)
  if (kind === 'upload') {
    request.resume()
    await new Promise((resolve) => void request.once('end', resolve))
  }
  const body = `${'b'.repeat(kind === 'large' ? n : 10)}end:${id}!`
  response.writeHead(200, { 'content-length': body.length })
  response.end(body)
}
