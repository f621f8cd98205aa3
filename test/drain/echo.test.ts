import type net from 'node:net'
import { describe, expect, it } from 'vitest'
import { listenTcp, listenTls, listenUnix } from '../../src/index.js'
import { gate, until } from '../support/clients.js'
import { leavesNothingOpen, watchPort } from '../support/kernel.js'
import { spawnPeer } from './foreign.js'
import { needsHalfOpen, run, STREAM_TRANSPORTS, type StreamHandler } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }

const OWN = [
  { name: 'listenTcp()', unix: false, start: async () => run((await listenTcp()) as never) },
  { name: 'listenTls()', unix: false, start: async () => run((await listenTls()) as never) },
  { name: 'listenUnix()', unix: true, start: async () => run((await listenUnix()) as never) },
]

/** Echo handlers as users write them. */
const HANDLERS: Array<[string, StreamHandler]> = [
  ['writes', (socket) => void socket.on('data', (chunk) => socket.write(chunk))],
  ['writes a turn later', (socket) => void socket.on('data', (chunk) => setImmediate(() => socket.write(chunk)))],
  [
    'iterates',
    async (socket) => {
      for await (const chunk of socket) socket.write(chunk)
    },
  ],
  [
    'writes once more at the end',
    (socket) => void socket.on('data', (chunk) => socket.write(chunk)).on('end', () => socket.end('bye')),
  ],
]

const CASES = [
  ...OWN.map((own) => ({ ...own, name: `the echo of ${own.name}` })),
  ...STREAM_TRANSPORTS.flatMap(({ name, unix, start }) =>
    HANDLERS.map(([how, handler]) => ({ name: `a handler of ${name} that ${how}`, unix, start: () => start(handler) })),
  ),
]

describe.each(CASES)('$name', ({ start, unix }) => {
  it('has no error when six clients answer each echo with the next byte', async () => {
    const server = await start()
    const left = unix ? () => [] : watchPort(server.listener.port)
    const peers = await Promise.all(Array.from({ length: 6 }, () => server.dial()))
    for (const { socket } of peers) {
      socket.on('data', () => {
        if (socket.writable) socket.write('y')
      })
      socket.write('x')
    }
    await until(() => peers.every((peer) => peer.bytes() > 5))
    const report = await server.close(LONG)
    await Promise.all(peers.map(({ closed }) => closed))
    expect(report).toMatchObject({ closed: 6, destroyed: 0, reset: 0 })
    expect(report.outcomes.filter(({ error }) => error !== undefined)).toEqual([])
    expect(peers.flatMap(({ errors }) => errors)).toEqual([])
    expect(server.errors).toEqual([])
    expect(left()).toEqual([])
  })

  it('has no error when a client in another process keeps writing', async () => {
    const server = await start()
    // The client must see the end while it writes.
    needsHalfOpen(server.listener)
    const { address, port } = server.listener
    const secure = 'setSecureContext' in server.listener.server
    const peer = spawnPeer({
      target: port === 0 ? { path: address } : { host: address, port },
      secure,
      write: 'x'.repeat(100),
    })
    await peer.heard('data')
    const writing = setInterval(() => peer.write('more'), 1)
    const report = await server.close(LONG)
    clearInterval(writing)
    await peer.exited
    expect(report.outcomes).toMatchObject([{ outcome: 'closed' }])
    expect(report.outcomes[0]?.error).toBeUndefined()
    expect(server.errors).toEqual([])
  })
})

describe.each(STREAM_TRANSPORTS)('a write after the drain has ended the stream, on $name', ({ start }) => {
  it('calls back and is not an error', async () => {
    const { opened, open } = gate<net.Socket>()
    const server = await start((socket) => open(socket.resume()))
    const peer = await server.dial({ allowHalfOpen: true })
    const socket = await opened
    const closing = server.close(LONG)
    await until(() => socket.writableEnded)
    const written = gate<unknown>()
    expect(socket.write('late', (error) => written.open(error))).toBe(true)
    expect(await written.opened).toBeFalsy()
    socket.end('later')
    peer.socket.end()
    expect(await closing).toMatchObject({ closed: 1 })
    expect(peer.text()).toBe('')
    expect(server.errors).toEqual([])
  })

  it('is an error if the handler had ended the stream before', async () => {
    const { opened, open } = gate<net.Socket>()
    const server = await start((socket) => open(socket))
    const peer = await server.dial({ allowHalfOpen: true })
    const socket = await opened
    socket.end()
    const closing = server.close(LONG)
    const written = gate<unknown>()
    socket.write('late', (error) => written.open(error))
    expect(await written.opened).toMatchObject({ code: 'ERR_STREAM_WRITE_AFTER_END' })
    await closing
    peer.socket.destroy()
  })
})
