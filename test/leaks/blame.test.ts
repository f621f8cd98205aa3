import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  findLeaks,
  type NetScope,
  type SocketLeak,
  type SocketSnapshot,
  snapshotSockets,
  trackSockets,
} from '../../src/index.js'
import { userFrame } from '../../src/leaks/stack.js'
import { gate, turn } from '../support/clients.js'
import { connected, KINDS, openShared, type Shared } from './kinds.js'

const { run } = trackSockets()
let shared: Shared
let secure: Awaited<ReturnType<NetScope['listenHttps']>>
beforeAll(async () => {
  shared = await openShared()
  secure = await shared.net.listenHttps((_request, response) => void response.end('answer'))
})
afterAll(() => shared.net.close())

describe.each(Object.entries(KINDS))('%s', (name, { open }) => {
  test('belongs to the test that opened it, when two tests run at once', async () => {
    const since = snapshotSockets()
    const both = await Promise.all(
      ['ada', 'grace'].map((owner) =>
        run({ name: owner, file: `${owner}.test.ts` }, async () => {
          await turn()
          return open(shared)
        }),
      ),
    )
    const found = await findLeaks(since)
    for (const owner of ['ada', 'grace']) {
      const own = found.filter(({ test }) => test === owner)
      // The client of an accepted unix socket is not known.
      const expected = KINDS[name]?.leaks.filter((kind, index) => kind !== 'unix' || index === 0)
      expect(own.map(({ kind }) => kind).sort()).toEqual([...(expected ?? [])].sort())
      expect(own.every(({ file }) => file === `${owner}.test.ts`)).toBe(true)
    }
    for (const { close } of both) await close()
    expect(await findLeaks(since)).toEqual([])
  })
})

describe('an accepted socket', () => {
  test('belongs to the test of its client, not of the listener', async () => {
    const since = snapshotSockets()
    const server = await run({ name: 'server' }, () => listening())
    const client = await run({ name: 'client' }, () => connected(net.connect(portOf(server), '127.0.0.1')))
    expect(await ownersSince(since)).toEqual({ listener: 'server', client: 'client', accepted: 'client' })
    client.destroy()
    server.close()
  })

  test('belongs to the test of a client that closed before the accept', async () => {
    const since = snapshotSockets()
    const server = await listening({ allowHalfOpen: true, pauseOnConnect: true })
    const accepted = once(server, 'connection')
    run({ name: 'client' }, () => {
      const socket = net.connect(portOf(server), '127.0.0.1', () => socket.destroy())
    })
    const [socket] = await accepted
    await turn()
    expect(await ownersSince(since)).toMatchObject({ accepted: 'client' })
    socket.destroy()
    server.close()
  })

  test('is distinguished from sockets with the same ports at another address', async () => {
    const since = snapshotSockets()
    const server = await listening()
    const clients = await Promise.all(
      ['127.0.0.1', '127.0.0.2', '127.0.0.3'].map((localAddress) =>
        run({ name: localAddress }, () =>
          connected(net.connect({ port: portOf(server), host: '127.0.0.1', localAddress })),
        ),
      ),
    )
    const found = await findLeaks(since)
    for (const { localAddress } of clients) {
      expect(found.filter(({ test }) => test === localAddress).map(({ kind }) => kind)).toEqual(['client', 'accepted'])
    }
    for (const client of clients) client.destroy()
    server.close()
  })

  test('belongs to the test of its listener if the client is in another process', async () => {
    const since = snapshotSockets()
    const server = await run({ name: 'server' }, () => listening())
    const accepted = once(server, 'connection')
    const { spawn } = await import('node:child_process')
    const code = `require('node:net').connect(${portOf(server)}, '127.0.0.1')`
    const child = spawn(process.execPath, ['--eval', code], { stdio: 'ignore' })
    const [socket] = await accepted
    expect(await ownersSince(since)).toEqual({ listener: 'server', accepted: 'server' })
    child.kill('SIGKILL')
    socket.destroy()
    server.close()
    await once(child, 'exit')
  })
})

describe('a pooled connection', () => {
  test('of http belongs to its last sender, and so does its other end', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    const since = snapshotSockets()
    const get = async (path: string): Promise<http.IncomingMessage> => {
      const [response] = await once(http.get(new URL(path, shared.url), { agent }), 'response')
      return response
    }
    await run({ name: 'first' }, async () => once((await get('/')).resume(), 'close'))
    const response = await run({ name: 'second' }, () => get('/large'))
    const found = await findLeaks(since)
    expect(ownersOf(found)).toEqual({ client: 'second', accepted: 'second' })
    expect(found[0]).toMatchObject({ request: 'GET /large', howToClose: 'response.destroy(), or read it to its end' })
    response.destroy()
  })

  test('of http belongs to a sender that had to wait for it', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    const since = snapshotSockets()
    const first = run({ name: 'first' }, () => http.get(shared.url, { agent }, (response) => response.resume()))
    const second = run({ name: 'second' }, () => http.get(new URL('/large', shared.url), { agent }))
    await once(first, 'close')
    const [response] = await once(second, 'response')
    expect(await ownersSince(since)).toEqual({ client: 'second', accepted: 'second' })
    response.destroy()
  })

  test.each(['http', 'https'] as const)('of %s belongs to a sender that never ends its request', async (protocol) => {
    const { request: open, Agent } = protocol === 'http' ? http : https
    const server = protocol === 'http' ? shared.url : secure.url
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: secure.ca })
    onTestFinished(() => agent.destroy())
    const since = snapshotSockets()
    await run({ name: 'first' }, async () => {
      const [response] = await once(open(server, { agent }).end(), 'response')
      await once(response.resume(), 'close')
    })
    const request = run({ name: 'second' }, () => open(server, { agent, method: 'POST' }))
    request.on('error', () => {}).write('the first part')
    const found = await findLeaks(since)
    expect(ownersOf(found)).toEqual({ client: 'second', accepted: 'second' })
    expect(found[0]).toMatchObject({ request: 'POST /', howToClose: expect.stringMatching(/^request\.end\(\)/) })
    expect(userFrame(found[0]?.openedAt ?? [])?.file).toBe(import.meta.filename)
    request.destroy()
  })

  test('of fetch belongs to its last sender, also if it was idle before', async () => {
    await run({ name: 'first' }, async () => (await fetch(shared.url)).text())
    const since = snapshotSockets()
    const response = await run({ name: 'second' }, () => fetch(new URL('/large', shared.url)))
    const found = await findLeaks(since)
    expect(ownersOf(found)).toEqual({ client: 'second', accepted: 'second' })
    expect(found[0]?.howToClose).toMatch(/^response\.body\.cancel\(\)/)
    await response.body?.cancel()
  })
})

describe('blame is never guessed', () => {
  test('if no test was running', async () => {
    const since = snapshotSockets()
    const socket = await new AsyncLocalStorage().run(1, () => connected(net.connect(shared.port, '127.0.0.1')))
    expect((await findLeaks(since)).map(({ test, file }) => [test, file])).toEqual([
      [undefined, undefined],
      [undefined, undefined],
    ])
    socket.destroy()
  })

  test('if a connection pool of the file opens a socket while a test runs', async () => {
    const since = snapshotSockets()
    const { opened, open } = gate<net.Socket>()
    setTimeout(() => open(net.connect(shared.port, '127.0.0.1')), 1)
    const socket = await run({ name: 'a test that runs meanwhile' }, async () => connected(await opened))
    expect((await findLeaks(since)).map(({ test }) => test)).toEqual([undefined, undefined])
    socket.destroy()
  })
})

describe('trackSockets', () => {
  test('counts and lists open sockets', async () => {
    const tracking = trackSockets()
    const before = tracking.size
    const socket = await tracking.run({ name: 'a test' }, () => connected(net.connect(shared.port, '127.0.0.1')))
    expect(tracking.size).toBe(before + 2)
    const told = tracking.sockets().filter(({ test }) => test === 'a test')
    expect(told.map(({ kind }) => kind)).toEqual(['client', 'accepted'])
    socket.destroy()
  })

  test('returns the result of the function, and throws its error', () => {
    expect(run({ name: 'a test' }, () => 7)).toBe(7)
    expect(() =>
      run({ name: 'a test' }, () => {
        throw new Error('mine')
      }),
    ).toThrow('mine')
  })

  test('rejects a test without a name, and an action that is not a function', () => {
    expect(() => run({} as never, () => 7)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }))
    expect(() => run({ name: 'x' }, 7 as never)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }))
  })
})

async function listening(options: net.ServerOpts = {}): Promise<net.Server> {
  const server = net.createServer(options).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

const portOf = (server: net.Server): number => (server.address() as net.AddressInfo).port

const ownersSince = async (since: SocketSnapshot) => ownersOf(await findLeaks(since))
const ownersOf = (leaks: readonly SocketLeak[]) => Object.fromEntries(leaks.map(({ kind, test }) => [kind, test]))
