import { spawn } from 'node:child_process'
import dgram from 'node:dgram'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import tls from 'node:tls'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { listenHttp, trackSockets } from '../../src/index.js'
import { openShared, type Shared } from './kinds.js'

// Closed sockets of the user are collected, and so are their requests and responses: tests of memory rely on it.

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

let shared: Shared
let refused: { port: number }
let h2: { url: URL }
beforeAll(async () => {
  trackSockets()
  shared = await openShared()
  refused = await shared.net.refusedEndpoint()
  h2 = await shared.net.listenHttp2((_request, response) => void response.end('answer'))
})
afterAll(() => shared.net.close())

const TIMES = 10

const USES: Readonly<Record<string, (keep: (...objects: object[]) => void) => Promise<void>>> = {
  async 'net.connect()'(keep) {
    const socket = net.connect(shared.port, '127.0.0.1')
    keep(socket)
    await once(socket, 'connect')
    socket.destroy()
    await once(socket, 'close')
  },
  async 'tls.connect()'(keep) {
    const socket = tls.connect({ port: shared.securePort, host: '127.0.0.1', ca: shared.ca, servername: 'localhost' })
    keep(socket)
    await once(socket, 'secureConnect')
    socket.destroy()
    await once(socket, 'close')
  },
  async 'a client that is refused'(keep) {
    const socket = net.connect(refused.port, '127.0.0.1').on('error', () => {})
    keep(socket)
    await new Promise((resolve) => socket.on('close', resolve))
  },
  async 'net.createServer() and what it accepts'(keep) {
    const server = net.createServer((accepted) => keep(accepted.resume()))
    keep(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1')
    keep(client)
    await once(server, 'connection')
    client.end()
    server.close()
    await once(server, 'close')
  },
  async 'http.get() without an agent'(keep) {
    await get(keep, { agent: false })
  },
  async 'http.get() on a connection that stays open'(keep) {
    await get(keep, { agent })
  },
  async 'a client whose other end stays open'(keep) {
    const server = net.createServer({ allowHalfOpen: true }, (accepted) => halfOpen.push(accepted.resume()))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1')
    keep(client)
    await once(server, 'connection')
    client.destroy()
    await once(client, 'close')
    server.close()
  },
  async 'a server of portside and its requests'(keep) {
    const server = await listenHttp((request, response) => {
      keep(request, response, request.socket)
      response.end('answer')
    })
    keep(server.server)
    await (await fetch(server.url)).text()
    await server.close()
  },
  async 'fetch() on a connection that stays open'(keep) {
    const response = await fetch(shared.url)
    keep(response)
    await response.text()
  },
  async 'http2.connect()'(keep) {
    const session = http2.connect(h2.url)
    keep(session)
    const stream = session.request()
    keep(stream)
    await once(stream.resume(), 'close')
    await new Promise<void>((resolve) => session.close(resolve))
  },
  async 'dgram.createSocket()'(keep) {
    const socket = dgram.createSocket('udp4')
    keep(socket)
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    socket.close()
    await once(socket, 'close')
  },
  async 'spawn()'(keep) {
    const child = spawn(process.execPath, ['--version'])
    keep(child, child.stdout, child.stdin)
    child.stdout.resume()
    await once(child, 'close')
  },
}

const agent = new http.Agent({ keepAlive: true })
const halfOpen: net.Socket[] = []
afterAll(() => {
  agent.destroy()
  for (const socket of halfOpen) socket.destroy()
})

it.each(Object.entries(USES))('keeps no object of %s alive', { timeout: 20_000 }, async (_, use) => {
  const kept: WeakRef<object>[] = []
  const keep = (...objects: object[]): void => void kept.push(...objects.map((object) => new WeakRef(object)))
  for (let time = 0; time < TIMES; time++) await use(keep)
  // Node itself keeps the last of each kind for a while, for example in the parser that is used next.
  await expect.poll(() => alive(kept), { timeout: 2000, interval: 50 }).toBeLessThanOrEqual(kept.length / TIMES)
})

function alive(kept: readonly WeakRef<object>[]): number {
  collect()
  return kept.filter((reference) => reference.deref() !== undefined).length
}

function get(keep: (...objects: object[]) => void, options: http.RequestOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = http.get(shared.url, options, (response) => {
      keep(response)
      response.resume().once('close', resolve)
    })
    request.once('socket', (socket) => {
      if (options.agent === false) keep(socket)
    })
    keep(request)
    request.once('error', reject)
  })
}
