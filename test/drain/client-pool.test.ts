import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createSocketPool, type Endpoint, listenHttp, listenHttps, listenTcp, listenUnix } from '../../src/index.js'
import { processCertificate } from '../../src/servers/certificate.js'
import { needsFullBuffers } from '../support/abilities.js'
import { gate, targetOf, turn, until, watch } from '../support/clients.js'
import { HERE } from '../support/here.js'
import { leavesNothingOpen, watchPort } from '../support/kernel.js'
import { run } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }

/** A request as a user writes it. Resolves to the answer as text, or rejects with its 'error'. */
function ask(options: https.RequestOptions & { secure?: boolean }): Promise<string> {
  return new Promise((resolve, reject) => {
    const { secure = false, ...rest } = options
    const request = (secure ? https : http).request(rest, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve(text)).on('error', reject)
    })
    request.on('error', reject).end()
  })
}

/** Every 'error' of every socket that the agent makes. */
function watchAgent<A extends http.Agent>(agent: A): { agent: A; errors: Error[]; closed: Array<Promise<void>> } {
  const errors: Error[] = []
  const closed: Array<Promise<void>> = []
  const create = (agent as unknown as { createConnection: (...args: unknown[]) => net.Socket }).createConnection
  Object.assign(agent, {
    createConnection(this: unknown, ...args: unknown[]) {
      const socket = create.apply(this, args)
      socket.on('error', (error) => errors.push(error))
      const { opened, open } = gate()
      socket.on('close', () => open())
      closed.push(opened)
      return socket
    },
  })
  onTestFinished(() => agent.destroy())
  return { agent, errors, closed }
}

describe.each([
  ['http', false],
  ['https', true],
] as const)('a pool that tracks an %s.Agent', (_name, secure) => {
  async function withAgent(handler: http.RequestListener) {
    const listener = secure ? await listenHttps(handler) : await listenHttp(handler)
    const server = run(listener)
    const tls = 'ca' in listener ? { ca: listener.ca as string, servername: 'localhost' } : {}
    const watched = watchAgent(
      secure ? new https.Agent({ keepAlive: true, ...tls }) : new http.Agent({ keepAlive: true }),
    )
    const { agent } = watched
    const pool = createSocketPool()
    expect(pool.track(agent)).toBe(agent)
    const get = (path: string) => ask({ secure, host: listener.address, port: listener.port, path, agent, ...tls })
    return { ...watched, listener, server, pool, get }
  }

  it('closes its idle sockets immediately, without an error or a TIME_WAIT', async () => {
    const { server, listener, pool, get, errors, closed } = await withAgent((_request, response) =>
      response.end('hello'),
    )
    const left = watchPort(listener.port)
    expect(await Promise.all([get('/1'), get('/2')])).toEqual(['hello', 'hello'])
    await until(() => pool.size === 2)
    await turn()
    const report = await pool.drain(LONG)
    await Promise.all(closed)
    expect(report).toMatchObject({ closed: 2, destroyed: 0, reset: 0 })
    expect(report.outcomes).toMatchObject([{ state: 'idle' }, { state: 'idle' }])
    expect(pool.size).toBe(0)
    await server.close(LONG)
    expect([...errors, ...server.errors]).toEqual([])
    expect(left()).toEqual([])
  })

  it('finishes a request in flight', async () => {
    const { opened, open } = gate<http.ServerResponse>()
    const { server, pool, get, errors, closed } = await withAgent((_request, response) => open(response))
    const answer = get('/slow')
    const response = await opened
    const draining = pool.drain(LONG)
    await turn().then(turn).then(turn).then(turn)
    response.end('done')
    expect(await answer).toBe('done')
    const report = await draining
    await Promise.all(closed)
    expect(report).toMatchObject({ closed: 1, destroyed: 0, reset: 0 })
    expect(report.outcomes).toMatchObject([{ state: 'active', request: 'GET /slow', outcome: 'closed' }])
    await server.close(LONG)
    expect([...errors, ...server.errors]).toEqual([])
  })

  it('finishes an answer that is being read', async () => {
    const { opened, open } = gate<http.ServerResponse>()
    const { server, pool, get, errors, closed } = await withAgent((_request, response) => {
      response.write('begun, ')
      open(response)
    })
    const answer = get('/stream')
    const response = await opened
    await until(() => [...pool].some((socket) => socket.bytesRead > 0))
    await turn()
    const draining = pool.drain(LONG)
    await turn().then(turn).then(turn).then(turn)
    response.end('done')
    expect(await answer).toBe('begun, done')
    const report = await draining
    await Promise.all(closed)
    expect(report.outcomes).toMatchObject([{ state: 'streaming', request: 'GET /stream', outcome: 'closed' }])
    await server.close(LONG)
    expect([...errors, ...server.errors]).toEqual([])
  })

  it('cuts a request that is never answered at the end of the grace', async () => {
    const { server, pool, get, closed } = await withAgent(() => {})
    const failed = expect(get('/never')).rejects.toMatchObject({ code: 'ECONNRESET' })
    await once(server.listener.server, 'request')
    const report = await pool.drain({ grace: 50 })
    await failed
    await Promise.all(closed)
    expect(report.outcomes).toMatchObject([{ state: 'active', request: 'GET /never', outcome: 'destroyed' }])
    await server.close(LONG)
  })

  it('closes each socket after its request, with any number of queued requests', async () => {
    const responses: http.ServerResponse[] = []
    const { server, listener, pool, agent, get, errors } = await withAgent((_request, response) => {
      responses.push(response)
    })
    const left = watchPort(listener.port)
    agent.maxSockets = 2
    const answers = Array.from({ length: 6 }, (_none, index) => get(`/${index}`))
    await until(() => responses.length === 2)
    const draining = pool.drain(LONG)
    await turn()
    for (const response of responses.splice(0)) response.end('done')
    expect((await draining).outcomes).toMatchObject([
      { state: 'active', outcome: 'closed' },
      { state: 'active', outcome: 'closed' },
    ])
    expect(pool.size).toBe(0)
    for (let answered = 2; answered < 6; answered += 2) {
      await until(() => responses.length === 2)
      for (const response of responses.splice(0)) response.end('done')
    }
    expect(await Promise.all(answers)).toEqual(Array(6).fill('done'))
    await server.close(LONG)
    expect([...errors, ...server.errors]).toEqual([])
    expect(left()).toEqual([])
  })

  it('does not close a socket that gets a request meanwhile', async () => {
    const { server, pool, get, errors } = await withAgent((_request, response) => {
      void turn()
        .then(turn)
        .then(() => response.end('done'))
    })
    let asks = true
    const loop = async (): Promise<void> => {
      while (asks) {
        expect(await get('/')).toBe('done')
        await turn()
      }
    }
    const loops = [loop(), loop(), loop(), loop()]
    await until(() => pool.size === 4)
    for (let turns = 0; turns < 20; turns++) await turn()
    expect(await pool.drain(LONG)).toMatchObject({ closed: 4, destroyed: 0 })
    asks = false
    await Promise.all(loops)
    await server.close(LONG)
    expect([...errors, ...server.errors]).toEqual([])
  })

  it('closes a socket that is upgraded meanwhile', async () => {
    const { server, pool, agent, errors } = await withAgent(() => {})
    const { opened, open } = gate<net.Socket>()
    server.listener.server.on('upgrade', (_request, socket: net.Socket) => open(socket))
    const { address: host, port } = server.listener
    const headers = { connection: 'upgrade', upgrade: 'raw' }
    const request = (secure ? https : http).request({ host, port, agent, headers, ca: (await processCertificate()).ca })
    const upgraded = once(request.end(), 'upgrade')
    const socket = await opened
    const draining = pool.drain(LONG)
    await turn()
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n')
    const [, client] = await upgraded
    client.resume()
    socket.resume().on('end', () => socket.end())
    expect(await draining).toMatchObject({ closed: 1, destroyed: 0 })
    await server.close(LONG)
    expect(errors).toEqual([])
  })

  it('can be used again, as can the agent', async () => {
    const { server, pool, agent, get, errors } = await withAgent((request, response) => response.end(request.url))
    expect(await get('/1')).toBe('/1')
    await pool.drain(LONG)
    expect(await get('/2')).toBe('/2')
    pool.track(agent)
    await until(() => pool.size === 1)
    expect(await pool.drain(LONG)).toMatchObject({ closed: 1, destroyed: 0 })
    await server.close(LONG)
    expect([...errors, ...server.errors]).toEqual([])
  })

  it('is drained together with its server in one pool', async () => {
    const { server, listener, pool, get, errors, closed } = await withAgent((_request, response) =>
      response.end('hello'),
    )
    const left = watchPort(listener.port)
    await get('/')
    pool.track(listener.server as net.Server)
    const report = await pool.drain(LONG)
    await Promise.all(closed)
    expect(report.outcomes).toHaveLength(2)
    expect(report).toMatchObject({ closed: 2, destroyed: 0, reset: 0 })
    expect(listener.server.listening).toBe(false)
    await server.close(LONG)
    expect([...errors, ...server.errors]).toEqual([])
    expect(left()).toEqual([])
  })

  it('is empty after the drain of its server, and so is the agent', async () => {
    const { server, pool, agent, get } = await withAgent((_request, response) => response.end('hello'))
    await Promise.all([get('/1'), get('/2')])
    await until(() => pool.size === 2)
    await turn()
    expect(await server.close(LONG)).toMatchObject({ closed: 2, destroyed: 0, reset: 0 })
    expect(agent.freeSockets).toEqual({})
    expect(pool.size).toBe(0)
    expect(await pool.drain(LONG)).toMatchObject({ closed: 0, destroyed: 0, reset: 0 })
  })

  it('skips a destroyed socket that its agent still holds', async () => {
    const { server, pool, agent, get } = await withAgent((_request, response) => response.end('hello'))
    await get('/')
    await until(() => pool.size === 1)
    const [socket] = [...pool]
    socket?.emit('agentRemove')
    socket?.destroy()
    await turn()
    Object.assign(agent, { freeSockets: { forgotten: [socket] } })
    expect(pool.size).toBe(0)
    expect(await pool.drain(LONG)).toMatchObject({ closed: 0, destroyed: 0, reset: 0 })
    await server.close(LONG)
  })

  it('is drained at the same time as its server', async () => {
    const { server, listener, pool, get, errors, closed } = await withAgent((_request, response) =>
      response.end('hello'),
    )
    const left = watchPort(listener.port)
    await get('/')
    const reports = await Promise.all([pool.drain(LONG), server.close(LONG)])
    await Promise.all(closed)
    expect(reports).toMatchObject([
      { destroyed: 0, reset: 0 },
      { destroyed: 0, reset: 0 },
    ])
    expect([...errors, ...server.errors]).toEqual([])
    expect(left()).toEqual([])
  })
})

describe('a pool of clients', () => {
  it('connects, counts and iterates', async () => {
    const server = run(await listenTcp((socket) => void socket.resume()))
    const pool = createSocketPool()
    expect(pool.size).toBe(0)
    const first = await pool.connect(server.listener.server.address() as unknown as Endpoint)
    const second = await pool.connect({ host: server.listener.address, port: server.listener.port })
    expect(pool.size).toBe(2)
    expect(new Set(pool)).toEqual(new Set([first, second]))
    const closed = once(first, 'close')
    first.destroy()
    await closed
    expect([...pool]).toEqual([second])
    await pool.drain(LONG)
    expect(pool.size).toBe(0)
    expect([...pool]).toEqual([])
    await server.close(LONG)
  })

  it('connects over a unix socket', async () => {
    const server = run(await listenUnix((socket) => void socket.pipe(socket)))
    const pool = createSocketPool()
    const peer = watch(await pool.connect({ path: server.listener.address }))
    peer.write('hello')
    await peer.receives('hello')
    const report = await pool.drain(LONG)
    await peer.closed
    expect(report).toMatchObject({ closed: 1, destroyed: 0, reset: 0 })
    await server.close(LONG)
    expect([...peer.errors, ...server.errors]).toEqual([])
  })

  it("rejects with the system's error if nothing listens, and tracks nothing", async () => {
    const listener = await listenTcp()
    const target = targetOf(listener) as net.NetConnectOpts
    await listener.close()
    const pool = createSocketPool()
    await expect(pool.connect(target)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await until(() => pool.size === 0)
  })

  it('closes raw clients immediately, without an error or a TIME_WAIT', async () => {
    const server = run(await listenTcp((socket) => void socket.pipe(socket)))
    const left = watchPort(server.listener.port)
    const pool = createSocketPool()
    const peers = [
      watch(await pool.connect(server.listener)),
      watch(pool.track(net.connect(targetOf(server.listener)))),
    ]
    for (const peer of peers) peer.write('echo')
    await Promise.all(peers.map((peer) => peer.receives('echo')))
    const report = await pool.drain(LONG)
    await Promise.all(peers.map(({ closed }) => closed))
    expect(report).toMatchObject({ closed: 2, destroyed: 0, reset: 0 })
    expect(report.outcomes).toMatchObject([{ state: 'raw' }, { state: 'raw' }])
    await server.close(LONG)
    expect(peers.flatMap(({ errors }) => errors)).toEqual([])
    expect(server.errors).toEqual([])
    expect(left()).toEqual([])
  })

  it('delivers everything that its clients have written', async () => {
    const total = gate<number>()
    const server = run(
      await listenTcp((socket) => {
        let bytes = 0
        socket.on('data', (chunk) => {
          bytes += chunk.length
        })
        socket.on('end', () => total.open(bytes))
      }),
    )
    const pool = createSocketPool()
    const peer = watch(await pool.connect(server.listener))
    peer.write(Buffer.alloc(8_000_000))
    const report = await pool.drain(LONG)
    await peer.closed
    expect(await total.opened).toBe(8_000_000)
    expect(report.outcomes).toMatchObject([{ outcome: 'closed', bytesWritten: 8_000_000 }])
    await server.close(LONG)
    expect(peer.errors).toEqual([])
  })

  it('cuts a client at the end of the grace if its server neither reads nor closes', async (context) => {
    needsFullBuffers(context)
    const server = run(await listenTcp((socket) => void socket.pause()))
    const pool = createSocketPool()
    const peer = watch(await pool.connect(server.listener))
    peer.write(Buffer.alloc(20_000_000))
    const report = await pool.drain({ grace: 100 })
    await peer.closed
    expect(report.outcomes).toMatchObject([{ outcome: 'destroyed' }])
    expect(report.outcomes[0]?.pendingBytes).toBeGreaterThan(0)
    expect(peer.errors).toEqual([])
    await server.close(LONG)
  })

  it('reports local and remote the other way round than the server', async () => {
    const server = run(await listenTcp((socket) => void socket.resume()))
    const pool = createSocketPool()
    const socket = await pool.connect(server.listener)
    const { localPort } = socket
    const { outcomes } = await pool.drain(LONG)
    expect(outcomes).toMatchObject([{ local: { port: localPort }, remote: { port: server.listener.port } }])
    await server.close(LONG)
  })

  it('rejects every call while it drains, and accepts calls afterwards', async () => {
    const server = run(await listenTcp((socket) => void socket.resume()))
    const pool = createSocketPool()
    const { opened, open } = gate()
    pool.onDrain(() => opened)
    await pool.connect(server.listener)
    const draining = pool.drain(LONG)
    const socket = new net.Socket()
    const refusal = expect.objectContaining({ code: 'ERR_PORTSIDE_DRAINING' })
    expect(() => pool.track(socket)).toThrow(refusal)
    expect(() => pool.track(net.createServer())).toThrow(refusal)
    expect(() => pool.track(new http.Agent())).toThrow(refusal)
    await expect(pool.connect(server.listener)).rejects.toMatchObject({ code: 'ERR_PORTSIDE_DRAINING' })
    open()
    expect(await draining).toMatchObject({ closed: 1 })
    const again = watch(await pool.connect(server.listener))
    expect(pool.size).toBe(1)
    expect(await pool.drain(LONG)).toMatchObject({ closed: 1 })
    await again.closed
    await server.close(LONG)
  })

  it('gives concurrent calls one report, and a later call a new one', async () => {
    const server = run(await listenTcp((socket) => void socket.resume()))
    const pool = createSocketPool()
    await pool.connect(server.listener)
    const [first, second] = await Promise.all([pool.drain(LONG), pool.drain(LONG)])
    expect(first).toBe(second)
    expect(first.outcomes).toHaveLength(1)
    const third = await pool.drain(LONG)
    expect(third).toMatchObject({ closed: 0, destroyed: 0, reset: 0, outcomes: [] })
    await server.close(LONG)
  })

  it('has its deadline shortened, but not extended, by a later call', async () => {
    const server = run(await listenTcp())
    const pool = createSocketPool()
    pool.onDrain(() => new Promise(() => {}))
    const peer = watch(await pool.connect(server.listener))
    const first = pool.drain(LONG)
    const second = pool.drain({ grace: 20 })
    const third = pool.drain(LONG)
    expect(await first).toBe(await second)
    expect(await third).toBe(await second)
    expect(await second).toMatchObject({ destroyed: 1 })
    await peer.closed
    await server.close(LONG)
  })

  it('uses the grace of createSocketPool(), also when it is disposed of', async () => {
    const server = run(await listenTcp())
    const pool = createSocketPool({ grace: 20 })
    pool.onDrain(() => new Promise(() => {}))
    const peer = watch(await pool.connect(server.listener))
    await pool[Symbol.asyncDispose]()
    await peer.closed
    expect(pool.size).toBe(0)
    await server.close(LONG)
  })

  it("rejects with force 'reject', and lists its stragglers", async () => {
    const server = run(await listenTcp())
    const pool = createSocketPool()
    pool.onDrain(() => new Promise(() => {}))
    const peer = watch(await pool.connect(server.listener))
    await expect(pool.drain({ grace: 20, force: 'reject' })).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_DRAIN',
      stragglers: [{ outcome: 'destroyed', state: 'raw', remote: { port: server.listener.port } }],
    })
    await peer.closed
    expect(pool.size).toBe(0)
    await server.close(LONG)
  })

  it("resets with force 'reset'", async () => {
    const server = run(await listenTcp((socket) => void socket.resume()))
    const accepted = once(server.listener.server, 'connection')
    const pool = createSocketPool()
    pool.onDrain(() => new Promise(() => {}))
    const left = watchPort(server.listener.port)
    const peer = watch(await pool.connect(server.listener))
    const [serverEnd] = (await accepted) as [net.Socket]
    const gone = gate()
    serverEnd.on('close', () => gone.open())
    const report = await pool.drain({ grace: 20, force: 'reset' })
    await Promise.all([peer.closed, gone.opened])
    expect(report).toMatchObject({ closed: 0, destroyed: 0, reset: 1 })
    expect(peer.errors).toEqual([])
    expect(server.errors).toEqual(['socket: ECONNRESET'])
    await server.close(LONG)
    expect(left()).toEqual([])
  })
})

describe('a pool in another process than its server', () => {
  it('closes its clients without knowing the other end', async () => {
    // A server that portside does not track is like a server in another process.
    const server = net.createServer((socket) => void socket.pipe(socket))
    server.listen(0, HERE)
    await once(server, 'listening')
    const { address: host, port } = server.address() as net.AddressInfo
    const pool = createSocketPool()
    const peer = watch(await pool.connect({ host, port }))
    peer.write('echo')
    await peer.receives('echo')
    const report = await pool.drain(LONG)
    await peer.closed
    expect(report).toMatchObject({ closed: 1, destroyed: 0, reset: 0 })
    expect(peer.errors).toEqual([])
    server.close()
    await once(server, 'close')
  })
})
