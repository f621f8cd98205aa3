import { type ChildProcess, spawn } from 'node:child_process'
import dgram from 'node:dgram'
import { type EventEmitter, once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import tls from 'node:tls'
import { fetch as undiciFetch } from 'undici'
import { createScope, type NetScope, type SocketLeak } from '../../src/index.js'

/** Servers for all kinds. They are not leaks of any test. */
export interface Shared {
  readonly net: NetScope
  readonly port: number
  readonly securePort: number
  readonly ca: string
  readonly url: string
  readonly path: string
}

/** Opens servers that never close a connection on their own. */
export async function openShared(): Promise<Shared> {
  const net = createScope({ grace: 0 })
  const tcp = await net.listenTcp((socket) => void socket.resume())
  const secure = await net.listenTls((socket) => void socket.resume())
  const web = await net.listenHttp((request, response) => {
    response.end(request.url === '/large' ? 'x'.repeat(4_000_000) : 'answer')
  })
  web.server.on('upgrade', (_request, socket) => {
    socket.on('error', () => {}).on('end', () => socket.end())
    socket.resume()
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n')
  })
  const unix = await net.listenUnix((socket) => void socket.resume())
  return {
    net,
    port: tcp.port,
    securePort: secure.port,
    ca: secure.ca,
    url: web.url.href,
    path: unix.address,
  }
}

interface Opened {
  /** Closes the socket. */
  close(): unknown
}

interface Kind {
  /** The kinds of its leaks, in the order in which they open. */
  readonly leaks: ReadonlyArray<SocketLeak['kind']>
  open(shared: Shared): Promise<Opened>
}

/** Every way to leave a socket open. */
export const KINDS: Readonly<Record<string, Kind>> = {
  'net.connect': {
    leaks: ['client', 'accepted'],
    open: async ({ port }) => closing(await connected(net.connect(port, '127.0.0.1'))),
  },
  'new Socket().connect': {
    leaks: ['client', 'accepted'],
    open: async ({ port }) => closing(await connected(new net.Socket().connect(port, '127.0.0.1'))),
  },
  'a client whose listeners were removed': {
    leaks: ['client', 'accepted'],
    async open({ port }) {
      const socket = await connected(net.connect(port, '127.0.0.1'))
      return closing(socket.removeAllListeners())
    },
  },
  'tls.connect': {
    leaks: ['client', 'accepted'],
    open: async ({ securePort: port, ca }) =>
      closing(await connected(tls.connect({ port, host: '127.0.0.1', ca, servername: 'localhost' }), 'secureConnect')),
  },
  'tls.connect over a socket that was connected before': {
    leaks: ['client', 'accepted'],
    async open({ securePort, ca }) {
      const socket = await connected(net.connect(securePort, '127.0.0.1'))
      return closing(await connected(tls.connect({ socket, ca, servername: 'localhost' }), 'secureConnect'))
    },
  },
  'net.createServer': {
    leaks: ['listener'],
    open: async () => closing(await listening(net.createServer().listen(0, '127.0.0.1'))),
  },
  'http.createServer': {
    leaks: ['listener'],
    open: async () => closing(await listening(http.createServer().listen(0, '127.0.0.1'))),
  },
  'an accepted socket whose client is gone': {
    leaks: ['accepted'],
    async open() {
      const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1')
      await listening(server)
      const accepted = once(server, 'connection')
      const client = await connected(net.connect((server.address() as net.AddressInfo).port, '127.0.0.1'))
      client.destroy()
      const [socket] = await accepted
      server.close()
      return closing(socket)
    },
  },
  'dgram.createSocket': {
    leaks: ['udp'],
    async open() {
      const socket = await listening(dgram.createSocket('udp4').bind(0, '127.0.0.1'))
      return { close: () => socket.close() }
    },
  },
  'net.connect to a path': {
    leaks: ['unix', 'unix'],
    open: async ({ path }) => closing(await connected(net.connect(path))),
  },
  'fetch with an unread body': {
    leaks: ['client', 'accepted'],
    async open({ url }) {
      const response = await fetch(new URL('/large', url))
      return { close: () => response.body?.cancel() }
    },
  },
  'fetch of undici with an unread body': {
    leaks: ['client', 'accepted'],
    async open({ url }) {
      const response = await undiciFetch(new URL('/large', url))
      return { close: () => response.body?.cancel() }
    },
  },
  'http.get with an unread response': {
    leaks: ['client', 'accepted'],
    async open({ url }) {
      const [response] = await once(http.get(new URL('/large', url), { agent: new http.Agent() }), 'response')
      return { close: () => response.destroy() }
    },
  },
  'an upgraded connection': {
    leaks: ['client', 'accepted'],
    async open({ url }) {
      const headers = { connection: 'upgrade', upgrade: 'raw' }
      const [, socket] = await once(http.get(url, { headers, agent: false }), 'upgrade')
      return closing(socket.on('error', () => {}))
    },
  },
  'pipes to a child process': {
    leaks: ['unix'],
    async open() {
      const child: ChildProcess = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000)'])
      await once(child, 'spawn')
      return {
        async close() {
          child.kill('SIGKILL')
          await once(child, 'close')
        },
      }
    },
  },
}

export async function connected<T extends net.Socket>(socket: T, event = 'connect'): Promise<T> {
  socket.on('error', () => {})
  await once(socket, event)
  return socket
}

async function listening<T extends EventEmitter>(server: T): Promise<T> {
  await once(server, 'listening')
  return server
}

const closing = (socket: net.Socket | net.Server): Opened => ({
  close: () => ('destroy' in socket ? socket.destroy() : socket.close()),
})
