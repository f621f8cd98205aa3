import { once } from 'node:events'
import type http from 'node:http'
import type net from 'node:net'
import { describe, expect, it } from 'vitest'
import { listenTls } from '../../src/index.js'
import { needsFullBuffers } from '../support/abilities.js'
import { bodiesIn, gate, get, targetOf, turn, until } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { spawnPeer } from './foreign.js'
import { HTTP1_TRANSPORTS, needsHalfOpen, type Running, run, STREAM_TRANSPORTS } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }

/** A client in another process, connected and accepted. */
async function dialFromOutside(
  server: Running,
  secure: boolean,
  options: { allowHalfOpen?: boolean; reads?: boolean; write?: string } = {},
) {
  if (options.allowHalfOpen) needsHalfOpen(server.listener)
  const accepted = once(server.listener.server, secure ? 'secureConnection' : 'connection')
  const peer = spawnPeer({ target: targetOf(server.listener), secure, ...options })
  const [[socket]] = (await Promise.all([accepted, peer.heard('connect')])) as [[net.Socket], void]
  return { peer, accepted: socket }
}

describe.each([...HTTP1_TRANSPORTS, ...STREAM_TRANSPORTS])(
  'a client in another process, on $name',
  ({ start, secure }) => {
    it('is closed immediately, with a FIN, when it has sent nothing', async () => {
      const server = await start(() => {})
      const { peer } = await dialFromOutside(server, secure)
      const report = await server.close(LONG)
      await peer.exited
      expect(report).toMatchObject({ closed: 1, destroyed: 0, reset: 0 })
      expect(peer.namesOf()).toEqual(['connect', 'end', 'close'])
      expect(server.errors).toEqual([])
    })

    it('sees the end immediately and, if it ignores it, is cut at the end of the grace', async () => {
      const server = await start(() => {})
      const { peer } = await dialFromOutside(server, secure, { allowHalfOpen: true })
      const closing = server.close(LONG)
      await peer.heard('end')
      void server.close({ grace: 20 })
      const report = await closing
      expect(report).toMatchObject({ closed: 0, destroyed: 1, reset: 0 })
      await peer.kill()
    })

    it('does not delay the drain when it is killed', async () => {
      const server = await start(() => {})
      const { peer } = await dialFromOutside(server, secure, { allowHalfOpen: true })
      const closing = server.close(LONG)
      await turn().then(turn).then(turn)
      await peer.kill()
      const report = await closing
      expect(report).toMatchObject({ closed: 1, destroyed: 0, reset: 0 })
    })

    it("is reset at the end of the grace with force 'reset'", async () => {
      const server = await start(() => {})
      const { peer } = await dialFromOutside(server, secure, { allowHalfOpen: true })
      const report = await server.close({ grace: 50, force: 'reset' })
      expect(report.closed).toBe(0)
      peer.write('too late')
      await peer.exited
      expect(peer.codes()).toEqual([expect.stringMatching(/^(EPIPE|ECONNRESET)$/)])
    })
  },
)

describe.each(HTTP1_TRANSPORTS)('a request from another process, on $name', ({ start, secure }) => {
  it('leaves an idle connection, which closes immediately with a FIN', async () => {
    const answered = gate()
    const server = await start((_request, response) => response.on('close', answered.open).end('hello'))
    const { peer } = await dialFromOutside(server, secure, { write: get('/') })
    await Promise.all([answered.opened, peer.heard('data')])
    const report = await server.close(LONG)
    await peer.exited
    expect(report.outcomes).toMatchObject([{ state: 'idle', outcome: 'closed' }])
    expect(peer.namesOf()).toEqual(['connect', 'end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('is answered with Connection: close', async () => {
    const { opened, open } = gate<http.ServerResponse>()
    const server = await start((_request, response) => open(response))
    const { peer } = await dialFromOutside(server, secure, { write: get('/slow') })
    const response = await opened
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    response.end('done')
    const report = await closing
    await peer.exited
    expect(peer.textOf()).toMatch(/^connection: close\r$/im)
    expect(peer.textOf()).toMatch(/done$/)
    expect(report.outcomes).toMatchObject([{ state: 'active', request: 'GET /slow', outcome: 'closed' }])
    expect(peer.namesOf()).toEqual(['connect', 'end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('closes its connection once it is answered, if its headers were already sent', async () => {
    const { opened, open } = gate<http.ServerResponse>()
    const server = await start((_request, response) => {
      response.writeHead(200, { 'content-length': 8 })
      response.write('half')
      open(response)
    })
    const { peer } = await dialFromOutside(server, secure, { write: get('/stream') })
    const response = await opened
    await peer.heard('data')
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    response.end('half')
    const report = await closing
    await peer.exited
    expect(peer.textOf()).toMatch(/halfhalf$/)
    expect(report.outcomes).toMatchObject([{ state: 'streaming', outcome: 'closed' }])
    expect(peer.namesOf()).toEqual(['connect', 'end', 'close'])
  })

  it('is cut at the end of the grace if it is never answered', async () => {
    const server = await start(() => {})
    const asked = once(server.listener.server, 'request')
    const { peer } = await dialFromOutside(server, secure, { write: get('/never') })
    await asked
    const report = await server.close({ grace: 50 })
    await peer.exited
    expect(report.outcomes).toMatchObject([{ state: 'active', request: 'GET /never', outcome: 'destroyed' }])
    expect(peer.textOf()).toBe('')
  })

  it('is answered when the rest of its head arrives during the drain', async () => {
    const server = await start((request, response) => response.end(`answer to ${request.url}`))
    const { peer, accepted } = await dialFromOutside(server, secure, { write: 'GET /late HTTP/1.1\r\nHost: loc' })
    await until(() => accepted.bytesRead > 0)
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    peer.write('alhost\r\n\r\n')
    const report = await closing
    await peer.exited
    expect(peer.textOf()).toContain('answer to /late')
    expect(report.outcomes).toMatchObject([{ state: 'head', outcome: 'closed' }])
    expect(peer.namesOf()).toEqual(['connect', 'end', 'close'])
  })

  it('is answered to the last when it is pipelined', async () => {
    const server = await start((request, response) => {
      void turn()
        .then(turn)
        .then(turn)
        .then(() => {
          response.setHeader('content-length', 2)
          response.end(request.url)
        })
    })
    const asked = once(server.listener.server, 'request')
    const { peer } = await dialFromOutside(server, secure, { write: get('/1') + get('/2') + get('/3') })
    await asked
    await server.close(LONG)
    await peer.exited
    expect(bodiesIn(peer.textOf())).toEqual(['/1', '/2', '/3'])
    expect(peer.namesOf()).toEqual(['connect', 'end', 'close'])
  })
})

describe.each(STREAM_TRANSPORTS)(
  'eight megabytes to a client in another process, on $name',
  ({ start, secure, unix }) => {
    it('are all delivered', async () => {
      const server = await start((socket) => void socket.write(Buffer.alloc(8_000_000, 'x')))
      const { peer } = await dialFromOutside(server, secure)
      const report = await server.close(LONG)
      await peer.exited
      expect(peer.textOf()).toHaveLength(8_000_000)
      expect(report.outcomes).toMatchObject([{ outcome: 'closed', bytesWritten: 8_000_000 }])
      expect(peer.namesOf()).toEqual(['connect', 'end', 'close'])
    })

    it('are dropped at the end of the grace if it does not read', async (context) => {
      if (!unix) needsFullBuffers(context)
      const server = await start((socket) => void socket.write(Buffer.alloc(8_000_000, 'x')))
      const { peer } = await dialFromOutside(server, secure, { reads: false })
      const report = await server.close({ grace: 50 })
      expect(report.outcomes).toMatchObject([{ outcome: 'destroyed' }])
      expect(report.outcomes[0]?.pendingBytes).toBeGreaterThan(0)
      await peer.kill()
    })
  },
)

describe('a TLS handshake from another process', () => {
  it('is closed immediately, with a FIN, if it never begins', async () => {
    const server = run(await listenTls())
    const { peer } = await dialFromOutside(server, false)
    const report = await server.close(LONG)
    await peer.exited
    expect(report.outcomes).toMatchObject([{ state: 'tls-handshake', outcome: 'closed' }])
    expect(peer.namesOf()).toEqual(['connect', 'end', 'close'])
  })

  it('is cut at the end of the grace if it stops half-way', async () => {
    const server = run(await listenTls())
    const { peer, accepted } = await dialFromOutside(server, false, { write: '\x16\x03\x01\x02\x00\x01' })
    await until(() => accepted.bytesRead > 0)
    const report = await server.close({ grace: 50 })
    await peer.exited
    expect(report.outcomes).toMatchObject([{ state: 'tls-handshake', outcome: 'destroyed' }])
  })
})
