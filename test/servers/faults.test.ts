import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import http2 from 'node:http2'
import https from 'node:https'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  listen,
  listenHttp,
  listenHttp2,
  listenHttps,
  listenTcp,
  listenTls,
  listenUdp,
  listenUnix,
  loopbackFamilies,
  occupiedEndpoint,
} from '../../src/index.js'
import { turn } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()
afterEach(() => void vi.useRealTimers())

const boom = new Error('boom')
const failing = {
  throws: () => {
    throw boom
  },
  rejects: () => Promise.reject(boom),
}

describe.each(Object.entries(failing))('a handler that %s', (_how, handler) => {
  it.each([
    ['listenTcp', listenTcp],
    ['listenTls', listenTls],
    ['listenUnix', listenUnix],
  ] as const)('ends its connection on %s, and comes out of close()', async (_name, start) => {
    const server = await start(handler as () => void)
    const client = await server.connect()
    client.on('error', () => {}).resume()
    if (!client.destroyed) await once(client, 'close')
    await expectHandlerError(server)
  })

  it('answers 500 with the error on listenHttp', async () => {
    const server = await listenHttp(handler)
    const response = await fetch(server.url)
    expect(response.status).toBe(500)
    expect(await response.text()).toContain('Error: boom')
    await expectHandlerError(server)
  })

  it('answers 500 on listenHttps', async () => {
    const server = await listenHttps(handler)
    const [response] = await once(https.get(server.url, { ca: server.ca, agent: false }), 'response')
    expect(response.resume().statusCode).toBe(500)
    await expectHandlerError(server)
  })

  it.each([{ secure: false }, { secure: true }])('answers 500 on listenHttp2, %o', async ({ secure }) => {
    const server = secure ? await listenHttp2(handler, { secure }) : await listenHttp2(handler)
    const client = http2.connect(server.url, 'ca' in server ? { ca: server.ca as string } : {})
    const [headers] = await once(client.request().resume(), 'response')
    expect(headers[':status']).toBe(500)
    await expectHandlerError(server)
  })

  it('makes close() reject on listenUdp', async () => {
    const server = await listenUdp(handler)
    const client = await server.connect()
    client.send('x')
    await once(server.server, 'message')
    await expectHandlerError(server)
  })

  it('cuts off a response that has begun', async () => {
    const server = await listenHttp((_request, response) => {
      response.write('begun')
      return handler()
    })
    await expect(fetch(server.url).then((response) => response.text())).rejects.toThrow()
    await expectHandlerError(server)
  })

  it('reports each request that failed', async () => {
    const server = await listenHttp(handler)
    await Promise.all([fetch(server.url), fetch(server.url)].map(async (answer) => (await answer).text()))
    await expect(server.close()).rejects.toMatchObject({ errors: [boom, boom] })
  })
})

it("reports a handler's error once, not again at the end of an await using block", async () => {
  const told = (async () => {
    await using server = await listenTcp(failing.throws)
    const client = await server.connect()
    await once(client.resume(), 'close')
    await server.close().catch((error) => expect(error.code).toBe('ERR_PORTSIDE_HANDLER'))
  })()
  await expect(told).resolves.toBeUndefined()
})

it('records a client that resets, and does not fail', async () => {
  const server = await listenTcp(() => {})
  const client = await server.connect()
  while (server.connections.size === 0) await turn()
  const [socket] = [...server.connections] as [net.Socket]
  const closed = new Promise((resolve) => socket.once('close', resolve))
  client.resetAndDestroy()
  await closed
  await expect(server.close()).resolves.toMatchObject({ outcomes: [] })
})

it('closes under fake timers', async () => {
  vi.useFakeTimers()
  const server = await listenHttp(() => {})
  const answer = fetch(server.url).catch((error) => error)
  while (server.connections.size === 0) await turn()
  await server.close({ grace: 20 })
  expect(await answer).toBeInstanceOf(Error)
})

describe('a port that the kernel picked, and another process takes before the listen', () => {
  /** A server that gets this port for its first requests of a port. */
  function serverGiven(port: number, times: number): { server: net.Server; asked(): number } {
    const server = net.createServer()
    let asked = 0
    server.listen = ((where: net.ListenOptions) => {
      const options = { ...where, port: asked++ < times ? port : where.port }
      return Reflect.apply(net.Server.prototype.listen, server, [options])
    }) as typeof server.listen
    return { server, asked: () => asked }
  }

  it('is left to the other process, and the server gets another port', async () => {
    await using other = await occupiedEndpoint()
    const { server, asked } = serverGiven(other.port, 2)
    await using listening = await listen(server)
    expect(asked()).toBe(3)
    expect(listening.port).not.toBe(other.port)
    expect(server.address()).toMatchObject({ address: listening.address, port: listening.port })
  })

  it('makes the call reject if it never ends', async () => {
    await using other = await occupiedEndpoint()
    const { server } = serverGiven(other.port, Number.POSITIVE_INFINITY)
    await expect(listen(server)).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(server.listening).toBe(false)
  })

  it('is not requested again if it was named', async () => {
    await using other = await occupiedEndpoint()
    const { server, asked } = serverGiven(other.port, 1)
    await expect(listen(server, { port: other.port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(asked()).toBe(1)
  })
})

describe('a dual listen that runs out of descriptors halfway', () => {
  const why = process.platform === 'linux' ? undefined : 'needs /proc/self/fd and ulimit'
  const dual = loopbackFamilies().length === 2 ? undefined : 'this host has one family only'
  it.skipIf(why ?? dual)(`rejects, and leaves nothing bound (${why ?? dual ?? 'possible here'})`, () => {
    const program = fileURLToPath(new URL('../../fixtures/programs/exhaust-descriptors.mjs', import.meta.url))
    const node = [process.execPath, program]
    const printed = execFileSync('sh', ['-c', 'ulimit -n 128; exec "$@"', 'sh', ...node], { encoding: 'utf8' })
    expect(JSON.parse(printed)).toMatchObject({
      code: 'EMFILE',
      message: expect.stringMatching(
        /^Cannot listen on \S+: EMFILE \(too many open files\)\.\n {2}cause {6}.*limit is 128 \(ulimit -n\).*\n {2}fix {8}close what is open.*$/,
      ),
      left: 0,
    })
  })
})

async function expectHandlerError(server: { close(): Promise<unknown>; url: URL }): Promise<void> {
  await expect(server.close()).rejects.toMatchObject({ code: 'ERR_PORTSIDE_HANDLER', cause: boom })
  await expect(server.close()).rejects.toThrow(
    /^The handler of the server on .+ threw: boom\.\n {2}fix {8}see \.cause /,
  )
}
