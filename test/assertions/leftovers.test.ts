import { EventEmitter, once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import axios from 'axios'
import * as undici from 'undici'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  assertConnectionRefused,
  assertConnectionReset,
  assertConnectionTimedOut,
  formatEndpoint,
  listenHttp,
  listenHttp2,
  listenTcp,
  refusedEndpoint,
  resettingEndpoint,
  stalledEndpoint,
} from '../../src/index.js'
import { turn, until } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'

// An assertion leaves nothing open that only it holds, and no unhandled error.

leavesNothingOpen()

/** A server that records its connections. */
async function countingServer(answer: (socket: net.Socket) => void = () => {}) {
  const sockets = new Set<net.Socket>()
  const server = await listenTcp((socket) => {
    sockets.add(socket)
    socket
      .once('close', () => void sockets.delete(socket))
      .on('error', () => {})
      .resume()
    answer(socket)
  })
  const { address: host, port } = server
  return { sockets, place: { host, port }, [Symbol.asyncDispose]: async () => void (await server.close()) }
}

describe('an assertion closes what a function opened', () => {
  it.each([
    ['a socket', (port: number, host: string) => net.connect({ port, host, timeout: 20 })],
    ['a request', (port: number, host: string) => http.get({ port, host, timeout: 20, agent: false })],
  ])('after its own timeout: %s', async (_name, dial) => {
    await using counting = await countingServer((socket) => void socket.resume())
    const { sockets, place } = counting
    await assertConnectionTimedOut(() => dial(place.port, place.host))
    await until(() => sockets.size === 0)
  })

  it('including each of several sockets, and describes the first', async () => {
    await using counting = await countingServer((socket) => void socket.write('hello'))
    const { sockets, place } = counting
    const dial = async () => {
      const dialled = [net.connect(place), net.connect(place)]
      await Promise.all(dialled.map((socket) => once(socket, 'connect')))
      return dialled
    }
    await expect(assertConnectionRefused(dial())).rejects.toMatchObject({
      actual: `it succeeded: connected to ${formatEndpoint({ ...place, address: place.host })}, which answered "hello"; and 1 more`,
      endpoint: { port: place.port },
    })
    await until(() => sockets.size === 0)
  })

  it('including the socket of a result', async () => {
    await using counting = await countingServer((socket) => void socket.write('hello'))
    const { sockets, place } = counting
    const dial = async () => {
      const socket = net.connect(place)
      await once(socket, 'connect')
      return { socket }
    }
    await expect(assertConnectionRefused(dial)).rejects.toMatchObject({
      actual: expect.stringMatching(/connected to \S+, which answered "hello"$/),
      endpoint: { port: place.port },
    })
    await until(() => sockets.size === 0)
  })

  it('including an axios response that is a stream', async () => {
    await using server = await listenHttp((_request, response) => void response.write('for ever'))
    const ask = () => axios.get(server.url.href, { responseType: 'stream', proxy: false })
    await expect(assertConnectionRefused(ask)).rejects.toMatchObject({
      actual: expect.stringContaining('answered with HTTP 200'),
    })
    await until(() => server.connections.size === 0)
  })

  const switches: ReadonlyArray<readonly [name: string, ask: (port: number, host: string) => unknown]> = [
    ['a tunnel of http', (port, host) => http.request({ port, host, method: 'CONNECT', agent: false }).end()],
    [
      'an upgrade of http',
      (port, host) => http.get({ port, host, agent: false, headers: { connection: 'upgrade', upgrade: 'test' } }),
    ],
    [
      'a tunnel of undici',
      async (port, host) => {
        const client = new undici.Client(`http://${formatEndpoint({ address: host, port })}`)
        onTestFinished(() => client.destroy())
        return await client.connect({ path: 'example.test:80' })
      },
    ],
    [
      'an upgrade of undici',
      async (port, host) => {
        const client = new undici.Client(`http://${formatEndpoint({ address: host, port })}`)
        onTestFinished(() => client.destroy())
        return await client.upgrade({ path: '/', protocol: 'test' })
      },
    ],
  ]
  it.each(switches)('including %s', async (_name, ask) => {
    await using counting = await countingServer((socket) => {
      socket.once('data', (head) => {
        const answer = String(head).startsWith('CONNECT')
          ? 'HTTP/1.1 200 Connection established\r\n\r\n'
          : 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n'
        socket.write(answer)
      })
    })
    const { sockets, place } = counting
    await expect(assertConnectionRefused(() => ask(place.port, place.host))).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_ASSERTION',
      actual: expect.stringMatching(/answered with HTTP (200|101)$|connected to /),
    })
    await until(() => sockets.size === 0)
  })

  it('an upgrade does not pass as a reset', async () => {
    await using counting = await countingServer((socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n')
    })
    const { sockets, place } = counting
    const headers = { connection: 'upgrade', upgrade: 'test' }
    await expect(assertConnectionReset(() => http.get({ ...place, agent: false, headers }))).rejects.toMatchObject({
      actual: expect.stringContaining('answered with HTTP 101'),
    })
    await until(() => sockets.size === 0)
  })
})

describe('no unhandled error comes', () => {
  it('from undici after an answer whose body is aborted unread', async () => {
    await using server = await listenHttp((_request, response) => void response.end('x'.repeat(1_000_000)))
    const dispatcher = new undici.Agent()
    await expect(assertConnectionRefused(undici.request(server.url, { dispatcher }))).rejects.toMatchObject({
      actual: 'it succeeded: answered with HTTP 200',
    })
    for (let turns = 0; turns < 20; turns++) await turn()
    await dispatcher.destroy()
  })

  it('from a client that reconnects', async () => {
    const client = new EventEmitter()
    const fail = () =>
      client.emit('error', Object.assign(new Error('no'), { code: 'ECONNREFUSED', syscall: 'connect' }))
    const failed = assertConnectionRefused(client)
    fail()
    await failed
    expect(fail).not.toThrow()
  })

  it('from the session of a stream', async () => {
    await using endpoint = await refusedEndpoint()
    const session = http2.connect(`http://${formatEndpoint(endpoint)}`)
    await assertConnectionRefused(session.request({ ':path': '/' }), endpoint)
    for (let turns = 0; turns < 20; turns++) await turn()
    expect(session.destroyed).toBe(true)
  })

  it('but a later error of a user server reaches its user', async () => {
    await using server = await listenTcp()
    const second = net.createServer().listen(server.port, server.address)
    await once(second, 'error')
    expect(second.listenerCount('error')).toBe(0)
  })
})

describe('the message about a success names', () => {
  it('a peer that closes without sending anything', async () => {
    await using counting = await countingServer((socket) => void socket.destroy())
    const { place } = counting
    await expect(assertConnectionRefused(() => net.connect(place))).rejects.toMatchObject({
      actual: expect.stringMatching(/, which closed the connection and sent nothing$/),
    })
  })

  it('a peer that resets without sending anything', async () => {
    await using endpoint = await resettingEndpoint()
    await expect(assertConnectionRefused(() => net.connect(endpoint.port, endpoint.address))).rejects.toMatchObject({
      actual: expect.stringMatching(/, which closed it with ECONNRESET$|ECONNRESET/),
    })
  })

  it('the port of a request, and its owner', async () => {
    await using server = await listenHttp((_request, response) => void response.end('hello'))
    await expect(
      assertConnectionRefused(http.get({ port: server.port, host: server.address, agent: false })),
    ).rejects.toMatchObject({
      actual: `it succeeded: http://${formatEndpoint(server)}/ answered with HTTP 200`,
      endpoint: server.endpoint,
      owners: [{ thisProcess: true }],
    })
  })

  it('the peer of an HTTP/2 session', async () => {
    await using server = await listenHttp2()
    await expect(assertConnectionRefused(() => http2.connect(server.url))).rejects.toMatchObject({
      actual: expect.stringContaining(`it succeeded: connected to ${formatEndpoint(server)}`),
      endpoint: server.endpoint,
    })
  })

  it('the connection of a close without an error', async () => {
    await using counting = await countingServer((socket) => void socket.end())
    const { place } = counting
    await expect(assertConnectionReset(() => net.connect(place))).rejects.toMatchObject({
      actual: expect.stringMatching(new RegExp(`^a close of \\S+ -> \\S+:${place.port} without an error$`)),
      endpoint: { port: place.port },
    })
  })

  it('how long a peer sent nothing', async () => {
    await using endpoint = await stalledEndpoint()
    await expect(assertConnectionRefused(() => net.connect(endpoint.port, endpoint.address))).rejects.toMatchObject({
      actual: expect.stringMatching(/, which sent nothing for \d+ ms$/),
    })
  })
})

it.each([
  ['no row', [], 'it succeeded: an empty array'],
  ['many rows', Array.from({ length: 100_000 }, (_, id) => ({ id })), 'it succeeded: an object; and 99999 more'],
])('rows of a table are described and not touched: %s', async (_name, rows, actual) => {
  await expect(assertConnectionRefused(Promise.resolve(rows))).rejects.toMatchObject({ actual })
})
