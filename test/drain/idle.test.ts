import { describe, expect, it } from 'vitest'
import { gate, get, turn, until } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { HTTP1_KINDS, STREAM_KINDS } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }

describe.each(HTTP1_KINDS)('a connection without a request in flight, on $name', ({ start }) => {
  it('is closed immediately if it is idle', async () => {
    const answered = gate()
    const server = await start((_request, response) => response.on('close', answered.open).end('hello'))
    const peer = await server.dial()
    peer.write(get('/'))
    await Promise.all([peer.receives('hello'), answered.opened])
    const report = await server.close(LONG)
    await peer.closed
    expect(report).toMatchObject({ closed: 1, destroyed: 0, reset: 0 })
    expect(report.outcomes).toMatchObject([{ state: 'idle', outcome: 'closed' }])
    expect(report.outcomes[0]).not.toHaveProperty('request')
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('is closed immediately if it has never sent anything', async () => {
    const server = await start(() => {})
    const peer = await server.dial()
    const report = await server.close(LONG)
    await peer.closed
    expect(report.outcomes).toMatchObject([{ state: 'new', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('is closed immediately if its client has already ended its half', async () => {
    const server = await start(() => {})
    const peer = await server.dial({ allowHalfOpen: true })
    peer.socket.end()
    const report = await server.close(LONG)
    await peer.closed
    expect(report.outcomes).toMatchObject([{ outcome: 'closed' }])
    expect(peer.errors).toEqual([])
    expect(server.errors).toEqual([])
  })
})

describe.each(HTTP1_KINDS)('a half-sent request head, on $name', ({ start }) => {
  it('is awaited, and cut at the end of the grace', async () => {
    const server = await start(() => {})
    const peer = await server.dial()
    peer.write('GET / HTTP/1.1\r\nHost: loc')
    await until(() => peer.accepted.bytesRead > 0)
    const report = await server.close({ grace: 50 })
    await peer.closed
    expect(report.outcomes).toMatchObject([{ state: 'head', outcome: 'destroyed' }])
    expect(peer.errors).toEqual([])
  })

  it('is answered when the rest of it arrives during the drain', async () => {
    const server = await start((request, response) => response.end(`answer to ${request.url}`))
    const peer = await server.dial()
    peer.write('GET /late HTTP/1.1\r\nHost: loc')
    await until(() => peer.accepted.bytesRead > 0)
    const closing = server.close(LONG)
    peer.write('alhost\r\n\r\n')
    const report = await closing
    await peer.closed
    expect(peer.text()).toContain('answer to /late')
    expect(report.outcomes).toMatchObject([{ state: 'head', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })
})

describe.each(HTTP1_KINDS)('part of a head that arrived together with the request before it, on $name', ({ start }) => {
  it('is in flight, and answered when the rest of it arrives', async () => {
    const paths: string[] = []
    const answered = gate()
    const server = await start((request, response) => {
      paths.push(request.url ?? '')
      response.once('close', answered.open).end(`answer to ${request.url}`)
    })
    const peer = await server.dial()
    peer.write(`${get('/whole')}GET /part HTTP/1.1\r\nHo`)
    await Promise.all([peer.receives('answer to /whole'), answered.opened])
    const closing = server.close(LONG)
    await turn().then(turn).then(turn)
    peer.write('st: localhost\r\n\r\n')
    const report = await closing
    await peer.closed
    expect(paths).toEqual(['/whole', '/part'])
    expect(peer.text()).toContain('answer to /part')
    expect(report.outcomes).toMatchObject([{ state: 'head', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('does not count as a head if it is an empty line', async () => {
    const answered = gate()
    const server = await start((_request, response) => response.once('close', answered.open).end('hello'))
    const peer = await server.dial()
    // RFC 9112 §2.2: a server skips empty lines before a request.
    peer.write(`${get('/')}\r\n`)
    await Promise.all([peer.receives('hello'), answered.opened])
    const report = await server.close(LONG)
    await peer.closed
    expect(report.outcomes).toMatchObject([{ state: 'idle', outcome: 'closed' }])
    expect(peer.events).toEqual(['end', 'close'])
  })
})

describe.each(HTTP1_KINDS)('a request that arrives during the drain, on $name', ({ start }) => {
  it('is answered with Connection: close', async () => {
    const server = await start((_request, response) => response.end('late'))
    const peer = await server.dial()
    peer.write('GET / HTTP/1.1\r\nHost: loc')
    await until(() => peer.accepted.bytesRead > 0)
    const closing = server.close(LONG)
    peer.write('alhost\r\n\r\n')
    await closing
    await peer.closed
    expect(peer.text()).toMatch(/^connection: close\r$/im)
  })
})

describe.each([...HTTP1_KINDS, ...STREAM_KINDS])('a client that ignores the end, on $name', ({ start, unix }) => {
  it('sees it immediately, and is cut at the end of the grace', async () => {
    const server = await start(() => {})
    const peer = await server.dial({ allowHalfOpen: true })
    const closing = server.close(LONG)
    await peer.ended
    void server.close({ grace: 20 })
    expect(peer.socket.writable).toBe(true)
    const report = await closing
    // The two ends of a unix socket cannot be matched, so the drain treats its client as foreign.
    if (unix) peer.socket.destroy()
    await peer.closed
    expect(report.outcomes).toMatchObject([{ outcome: 'destroyed' }])
    expect(peer.errors).toEqual([])
    expect(server.errors).toEqual([])
  })
})
