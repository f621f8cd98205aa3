import type http from 'node:http'
import { describe, expect, it } from 'vitest'
import type { RequestHandler } from '../../src/index.js'
import { gate, get, turn, until } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { HTTP1_KINDS } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }

/** A handler that passes its response to the test. */
function held(before: (response: http.ServerResponse) => void = () => {}) {
  const { opened, open } = gate<http.ServerResponse>()
  const handler: RequestHandler = (_request, response) => {
    before(response)
    open(response)
  }
  return { handler, response: opened }
}

describe.each(HTTP1_KINDS)('a request in flight, on $name', ({ start }) => {
  it('is answered with Connection: close if its headers are unsent', async () => {
    const { handler, response } = held()
    const server = await start(handler)
    const peer = await server.dial()
    peer.write(get('/slow'))
    const answer = await response
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    answer.end('done')
    const report = await closing
    await peer.closed
    expect(peer.text()).toMatch(/^connection: close\r$/im)
    expect(peer.text()).toMatch(/done$/)
    expect(report.outcomes).toMatchObject([{ state: 'active', request: 'GET /slow', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('is answered with Connection: close also in the turn in which close() is called', async () => {
    const { handler, response } = held()
    const server = await start(handler)
    const peer = await server.dial()
    peer.write(get('/'))
    const answer = await response
    const closing = server.close(LONG)
    answer.end('done')
    await closing
    await peer.closed
    expect(peer.text()).toMatch(/^connection: close\r$/im)
    expect(peer.text()).toMatch(/done$/)
    expect(peer.events).toEqual(['end', 'close'])
  })

  it('closes its connection once it is answered, if its headers are sent and its client keeps alive', async () => {
    const { handler, response } = held((response) => {
      response.writeHead(200, { 'content-length': 8 })
      response.write('half')
    })
    const server = await start(handler)
    const peer = await server.dial()
    peer.write(get('/stream', 'Connection: keep-alive'))
    await peer.receives('half')
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    ;(await response).end('half')
    const report = await closing
    await peer.closed
    expect(peer.text()).toMatch(/halfhalf$/)
    expect(report.outcomes).toMatchObject([{ state: 'streaming', request: 'GET /stream', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('closes its connection although its handler asks for keep-alive', async () => {
    const { handler, response } = held((response) => response.setHeader('connection', 'keep-alive'))
    const server = await start(handler)
    const peer = await server.dial()
    peer.write(get('/'))
    const answer = await response
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    answer.end('done')
    const report = await closing
    await peer.closed
    expect(peer.text()).toMatch(/done$/)
    expect(report.outcomes).toMatchObject([{ state: 'active', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('is received to its last chunk by a client that still reads after close() has resolved', async () => {
    const body = 'x'.repeat(100_000)
    const { handler, response } = held()
    const server = await start(handler)
    const peer = await server.dial()
    peer.write(get('/'))
    const answer = await response
    const closing = server.close(LONG)
    answer.write(body)
    await turn()
    answer.end('the end')
    await closing
    await peer.closed
    expect(peer.text()).toContain('the end')
    expect(peer.bytes()).toBeGreaterThan(body.length)
    expect(peer.events).toEqual(['end', 'close'])
  })

  it('is received completely if its body is still being uploaded during the drain', async () => {
    const server = await start((request, response) => {
      let bytes = 0
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      request.on('end', () => response.end(`got ${bytes} bytes`))
    })
    const peer = await server.dial()
    peer.write('POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n')
    peer.write('x'.repeat(100_000))
    await until(() => peer.accepted.bytesRead > 100_000)
    const closing = server.close(LONG)
    await turn().then(turn).then(turn)
    peer.write('x'.repeat(100_000))
    await until(() => peer.accepted.bytesRead > 200_000)
    peer.write('x'.repeat(100_000))
    const report = await closing
    await peer.closed
    expect(peer.text()).toContain('got 300000 bytes')
    expect(report.outcomes).toMatchObject([{ state: 'active', request: 'POST /upload', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('is cut at the end of the grace if it is never answered', async () => {
    const server = await start(() => {})
    const peer = await server.dial()
    peer.write(get('/never'))
    await until(() => peer.accepted.bytesRead > 0)
    await turn()
    const report = await server.close({ grace: 50 })
    await peer.closed
    expect(report).toMatchObject({ closed: 0, destroyed: 1, reset: 0 })
    expect(report.outcomes).toMatchObject([{ state: 'active', request: 'GET /never', outcome: 'destroyed' }])
    expect(peer.errors).toEqual([])
  })

  it('is cut at the end of the grace if its answer never ends', async () => {
    const server = await start((_request, response) => void response.write('some'))
    const peer = await server.dial()
    peer.write(get('/endless'))
    await peer.receives('some')
    const report = await server.close({ grace: 50 })
    await peer.closed
    expect(report.outcomes).toMatchObject([{ state: 'streaming', request: 'GET /endless', outcome: 'destroyed' }])
    expect(peer.text()).toContain('some')
    expect(peer.errors).toEqual([])
  })

  it('is finished while other requests of the server are cut', async () => {
    const responses = new Map<string, http.ServerResponse>()
    const server = await start((request, response) => void responses.set(request.url ?? '', response))
    const [good, bad, idle] = [await server.dial(), await server.dial(), await server.dial()]
    good.write(get('/good'))
    bad.write(get('/bad'))
    await until(() => responses.size === 2)
    const closing = server.close(LONG)
    responses.get('/good')?.end('good')
    await Promise.all([good.closed, idle.closed])
    await until(() => server.listener.connections.size === 1)
    void server.close({ grace: 0 })
    const report = await closing
    await bad.closed
    expect(good.text()).toMatch(/good$/)
    expect(bad.text()).toBe('')
    expect(report).toMatchObject({ closed: 2, destroyed: 1, reset: 0 })
    expect([...good.errors, ...bad.errors, ...idle.errors]).toEqual([])
  })

  it('is no longer awaited once its client has closed', async () => {
    const server = await start(() => {})
    const peer = await server.dial()
    peer.write(get('/'))
    await until(() => peer.accepted.bytesRead > 0)
    const closing = server.close(LONG)
    await turn().then(turn).then(turn)
    peer.socket.destroy()
    const report = await closing
    expect(report.outcomes).toMatchObject([{ outcome: 'closed' }])
  })

  it('is no longer awaited once its handler has destroyed it', async () => {
    const { handler, response } = held()
    const server = await start(handler)
    const peer = await server.dial()
    peer.write(get('/'))
    const answer = await response
    const closing = server.close(LONG)
    await turn().then(turn).then(turn)
    answer.destroy()
    const report = await closing
    await peer.closed
    expect(report.outcomes).toMatchObject([{ state: 'active', outcome: 'closed' }])
  })

  it('leaves its connection idle if it was answered before the drain', async () => {
    const server = await start((request, response) => {
      request.resume()
      response.end('early')
    })
    const peer = await server.dial()
    peer.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbo')
    await peer.receives('early')
    peer.write('dy')
    await until(() => peer.accepted.bytesRead === peer.socket.bytesWritten)
    await turn()
    const report = await server.close(LONG)
    await peer.closed
    expect(report.outcomes).toMatchObject([{ state: 'idle', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
  })
})

describe.each(HTTP1_KINDS)('Expect: 100-continue, on $name', ({ start }) => {
  const HEAD = 'POST /expect HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n'

  it('gets 100 Continue and its answer during the drain', async () => {
    const { handler, response } = held()
    const server = await start(handler)
    const peer = await server.dial()
    peer.write(HEAD)
    const answer = await response
    await peer.receives('100 Continue')
    const closing = server.close(LONG)
    await turn().then(turn).then(turn)
    peer.write('body')
    await until(() => peer.accepted.bytesRead === HEAD.length + 4)
    answer.end('done')
    const report = await closing
    await peer.closed
    expect(peer.text()).toMatch(/^connection: close\r$/im)
    expect(peer.text()).toMatch(/done$/)
    expect(report.outcomes).toMatchObject([{ state: 'active', request: 'POST /expect', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
  })

  it("is in flight while a 'checkContinue' listener handles it", async () => {
    const server = await start(() => {})
    const { opened, open } = gate<http.ServerResponse>()
    server.listener.server.on('checkContinue', (_request, response) => open(response))
    const peer = await server.dial()
    peer.write(HEAD)
    const answer = await opened
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    answer.writeContinue()
    await peer.receives('100 Continue')
    peer.write('body')
    await until(() => peer.accepted.bytesRead === HEAD.length + 4)
    answer.end('done')
    const report = await closing
    await peer.closed
    expect(peer.text()).toMatch(/^connection: close\r$/im)
    expect(peer.text()).toMatch(/done$/)
    expect(report.outcomes).toMatchObject([{ state: 'active', request: 'POST /expect', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
  })

  it("is in flight while a 'checkExpectation' listener handles it", async () => {
    const server = await start(() => {})
    const { opened, open } = gate<http.ServerResponse>()
    server.listener.server.on('checkExpectation', (_request, response) => open(response))
    const peer = await server.dial()
    peer.write('POST /expect HTTP/1.1\r\nHost: localhost\r\nExpect: miracles\r\nContent-Length: 0\r\n\r\n')
    const answer = await opened
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    answer.writeHead(417)
    answer.end('no')
    const report = await closing
    await peer.closed
    expect(peer.text()).toContain('417')
    expect(report.outcomes).toMatchObject([{ state: 'active', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
  })
})
