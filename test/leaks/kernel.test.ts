import { once } from 'node:events'
import net from 'node:net'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'
import { findLeaks, listenTcp, snapshotSockets, socketDescriptors, verifyNoLeaks } from '../../src/index.js'
import { needsKernel } from '../support/kernel.js'
import { connected } from './kinds.js'

describe('a socket that no object explains', () => {
  test('is found by its inode, with its ends and its state', async (context) => {
    needsKernel(context)
    const since = snapshotSockets()
    const worker = new Worker(
      `const { parentPort } = require('node:worker_threads')
       const server = require('node:net').createServer().listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))`,
      { eval: true },
    )
    const [port] = await once(worker, 'message')
    const found = await findLeaks(since)
    expect(found).toMatchObject([
      { kind: 'untracked', state: 'LISTEN', local: { address: '127.0.0.1', port }, openedAt: [] },
    ])
    expect(found[0]?.fd).toBeGreaterThan(0)
    await expect(verifyNoLeaks(since)).rejects.toThrow(/untracked 127\.0\.0\.1:\d+.*native module, another thread/s)
    expect(await findLeaks(since, { kernel: false })).toEqual([])
    expect(await findLeaks(since, { ignore: [{ kind: 'untracked', endpoint: { port } }] })).toEqual([])
    await worker.terminate()
    expect(await findLeaks(since)).toEqual([])
  })

  test('is not a leak if it was open before, even if its descriptor has changed', async (context) => {
    needsKernel(context)
    const worker = new Worker(
      `const { parentPort } = require('node:worker_threads')
       const server = require('node:net').createServer().listen(0, '127.0.0.1', () => parentPort.postMessage(1))`,
      { eval: true },
    )
    await once(worker, 'message')
    onTestFinished(async () => void (await worker.terminate()))
    expect(await findLeaks(snapshotSockets())).toEqual([])
  })

  test('is not reported if it is a pipe to a program of another thread', async (context) => {
    needsKernel(context)
    const since = snapshotSockets()
    const code = `const { spawn } = require('node:child_process')
      const child = spawn(process.execPath, ['--eval', 'process.stdin.resume()'])
      child.once('spawn', () => require('node:worker_threads').parentPort.postMessage(child.pid))`
    const worker = new Worker(code, { eval: true })
    await once(worker, 'message')
    const before = new Set(since.inodes)
    expect(socketDescriptors().filter(({ inode }) => !before.has(inode as number)).length).toBeGreaterThan(0)
    expect(await findLeaks(since)).toEqual([])
    await worker.terminate()
  })

  test('is not reported if portside opened it for itself', async (context) => {
    needsKernel(context)
    const { reservePort } = await import('../../src/index.js')
    const since = snapshotSockets()
    const reservation = await reservePort()
    expect((await findLeaks(since)).map(({ kind }) => kind)).toEqual(['client'])
    await reservation.release()
    expect(await findLeaks(since)).toEqual([])
  })
})

describe('a socket whose handle was taken away', () => {
  test('is still reported, with its ends', async (context) => {
    needsKernel(context)
    const server = await listenTcp()
    onTestFinished(() => void server.close({ grace: 0 }))
    const since = snapshotSockets()
    const socket: HandledSocket = await connected(net.connect(server.port, server.address))
    const other = new net.Socket({ handle: socket._handle } as net.SocketConstructorOpts)
    socket._handle = null
    other.on('error', () => {})
    const found = await findLeaks(since)
    expect(found.map(({ kind }) => kind)).toEqual(['client', 'accepted'])
    expect(found[0]).toMatchObject({ local: found[1]?.remote, remote: found[1]?.local, state: 'ESTABLISHED' })
    other.destroy()
    expect(await findLeaks(since)).toEqual([])
  })
})

type HandledSocket = net.Socket & { _handle?: object | null }
