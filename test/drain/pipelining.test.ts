import type http from 'node:http'
import { describe, expect, it } from 'vitest'
import { bodiesIn, gate, get, turn, until } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { HTTP1_KINDS } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }
const THREE = get('/1') + get('/2') + get('/3')

function answer(response: http.ServerResponse | undefined, body: string): void {
  response?.setHeader('content-length', body.length)
  response?.end(body)
}

describe.each(HTTP1_KINDS)('three pipelined requests, on $name', ({ start }) => {
  it.each([
    ['in order', ['/1', '/2', '/3']],
    ['last first', ['/3', '/2', '/1']],
    ['out of order', ['/2', '/1', '/3']],
  ])('are all answered when their handlers end %s during the drain', async (_order, order) => {
    const responses = new Map<string, http.ServerResponse>()
    const server = await start((request, response) => void responses.set(request.url ?? '', response))
    const peer = await server.dial()
    peer.write(THREE)
    await until(() => responses.size === 3)
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    for (const path of order) {
      answer(responses.get(path), path)
      await turn()
    }
    const report = await closing
    await peer.closed
    expect(bodiesIn(peer.text())).toEqual(['/1', '/2', '/3'])
    expect(peer.text().match(/^connection: close\r$/gim)).toHaveLength(1)
    expect(report.outcomes).toMatchObject([{ state: 'active', request: 'GET /1', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('are all answered by handlers that answer immediately, if they are on the wire when the drain begins', async () => {
    const server = await start((request, response) => answer(response, request.url ?? ''))
    const peer = await server.dial()
    peer.write(THREE)
    const report = await server.close(LONG)
    await peer.closed
    expect(bodiesIn(peer.text())).toEqual(['/1', '/2', '/3'])
    expect(report.outcomes).toMatchObject([{ outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('are all answered by handlers that answer immediately, if their first line arrived before the drain', async () => {
    const server = await start((request, response) => answer(response, request.url ?? ''))
    const peer = await server.dial()
    peer.write(THREE.slice(0, 10))
    await until(() => peer.accepted.bytesRead === 10)
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    peer.write(THREE.slice(10))
    await closing
    await peer.closed
    expect(bodiesIn(peer.text())).toEqual(['/1', '/2', '/3'])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('are all answered by handlers that answer later, if they are on the wire when the drain begins', async () => {
    const server = await start(
      (request, response) =>
        void turn()
          .then(turn)
          .then(() => answer(response, request.url ?? '')),
    )
    const peer = await server.dial()
    peer.write(THREE)
    await server.close(LONG)
    await peer.closed
    expect(bodiesIn(peer.text())).toEqual(['/1', '/2', '/3'])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('are all answered if two arrive behind a request in flight during the drain', async () => {
    const responses = new Map<string, http.ServerResponse>()
    const server = await start((request, response) => void responses.set(request.url ?? '', response))
    const peer = await server.dial()
    peer.write(get('/1'))
    await until(() => responses.size === 1)
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    peer.write(get('/2') + get('/3'))
    await until(() => responses.size === 3)
    for (const path of ['/1', '/2', '/3']) answer(responses.get(path), path)
    await closing
    await peer.closed
    expect(bodiesIn(peer.text())).toEqual(['/1', '/2', '/3'])
    expect(peer.text().match(/^connection: close\r$/gim)).toHaveLength(1)
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('are all answered if two that are answered immediately arrive behind a request in flight', async () => {
    const first: http.ServerResponse[] = []
    const server = await start((request, response) => {
      if (request.url === '/1') first.push(response)
      else answer(response, request.url ?? '')
    })
    const peer = await server.dial()
    peer.write(get('/1'))
    await until(() => first.length === 1)
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    const written = peer.accepted.bytesRead + get('/2').length * 2
    peer.write(get('/2') + get('/3'))
    await until(() => peer.accepted.bytesRead === written)
    answer(first[0], '/1')
    await closing
    await peer.closed
    expect(bodiesIn(peer.text())).toEqual(['/1', '/2', '/3'])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('are all answered if the first has sent its headers before the drain', async () => {
    const responses = new Map<string, http.ServerResponse>()
    const server = await start((request, response) => {
      responses.set(request.url ?? '', response)
      if (request.url !== '/1') return
      response.writeHead(200, { 'content-length': 2 })
      response.write('/')
    })
    const peer = await server.dial()
    peer.write(get('/1'))
    await peer.receives('\r\n\r\n/')
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    peer.write(get('/2') + get('/3'))
    await until(() => responses.size === 3)
    responses.get('/1')?.end('1')
    answer(responses.get('/2'), '/2')
    answer(responses.get('/3'), '/3')
    const report = await closing
    await peer.closed
    expect(bodiesIn(peer.text())).toEqual(['/1', '/2', '/3'])
    expect(report.outcomes).toMatchObject([{ state: 'streaming', request: 'GET /1', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('keep the answers that were sent before the grace is over', async () => {
    const answered = gate()
    const server = await start((request, response) => {
      if (request.url === '/2') return
      response.on('close', answered.open)
      answer(response, request.url ?? '')
    })
    const peer = await server.dial()
    peer.write(THREE)
    await Promise.all([peer.receives('/1'), answered.opened])
    const report = await server.close({ grace: 50 })
    await peer.closed
    expect(bodiesIn(peer.text())).toEqual(['/1'])
    expect(report.outcomes).toMatchObject([{ state: 'active', request: 'GET /2', outcome: 'destroyed' }])
    expect(peer.errors).toEqual([])
  })
})

describe.each(HTTP1_KINDS)('part of a head behind requests in flight, on $name', ({ start, name }) => {
  // Node 20 does not list the parsers of such a server.
  const kept = !name.includes('Http2')

  it.runIf(kept)('is answered when the rest of it arrives', async () => {
    const responses = new Map<string, http.ServerResponse>()
    const server = await start((request, response) => void responses.set(request.url ?? '', response))
    const peer = await server.dial()
    peer.write(`${get('/1')}${get('/2')}GET /3 HTTP/1.1\r\nHo`)
    await until(() => responses.size === 2)
    const closing = server.close(LONG)
    await turn().then(turn)
    answer(responses.get('/1'), '/1')
    answer(responses.get('/2'), '/2')
    await until(() => bodiesIn(peer.text()).length === 2)
    peer.write('st: localhost\r\n\r\n')
    await until(() => responses.size === 3)
    answer(responses.get('/3'), '/3')
    const report = await closing
    await peer.closed
    expect(bodiesIn(peer.text())).toEqual(['/1', '/2', '/3'])
    expect(peer.text().match(/^connection: close\r$/gim)).toHaveLength(1)
    expect(report.outcomes).toMatchObject([{ state: 'active', request: 'GET /1', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it.runIf(kept)('is answered if it arrived with the end of an upload in flight', async () => {
    const bodies: string[] = []
    const uploading = gate()
    const server = await start((request, response) => {
      if (request.url === '/1') uploading.open()
      bodies.push(request.url ?? '')
      request.resume().once('end', () => answer(response, request.url ?? ''))
    })
    const peer = await server.dial()
    peer.write('POST /1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbo')
    await uploading.opened
    const closing = server.close(LONG)
    peer.write('dyGET /2 HTTP/1.1\r\nHo')
    await until(() => bodiesIn(peer.text()).length === 1)
    peer.write('st: localhost\r\n\r\n')
    const report = await closing
    await peer.closed
    expect(bodies).toEqual(['/1', '/2'])
    expect(bodiesIn(peer.text())).toEqual(['/1', '/2'])
    expect(report.outcomes).toMatchObject([{ outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
  })
})
