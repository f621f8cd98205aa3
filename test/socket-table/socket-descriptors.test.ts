import { execFileSync, spawn } from 'node:child_process'
import dgram from 'node:dgram'
import { once } from 'node:events'
import type { Stats } from 'node:fs'
import net from 'node:net'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  listenTcp,
  listenUdp,
  listenUnix,
  loopbackFamilies,
  refusedEndpoint,
  type SocketDescriptor,
  socketDescriptors,
} from '../../src/index.js'
import { descriptorsFrom, descriptorsIn } from '../../src/socket-table/socket-descriptors.js'
import { until } from '../support/clients.js'
import { HERE, UDP_HERE } from '../support/here.js'
import { leavesNothingOpen, needsKernel, openSockets } from '../support/kernel.js'
import { node } from '../support/program.js'

leavesNothingOpen()

const LOOPBACK = { IPv4: HERE, IPv6: '::1' }
const FAMILIES = loopbackFamilies()
const [FAMILY] = FAMILIES as ['IPv4' | 'IPv6']

it('are those of this process, each once', async (context) => {
  needsKernel(context)
  await using server = await listenTcp()
  await server.connect()
  const listed = socketDescriptors().map(({ fd, inode }) => ({ fd, inode }))
  expect(listed.sort(byNumber)).toEqual(openSockets().sort(byNumber))
})

it.for(FAMILIES)('have their entry in the kernel table: on %s', async (family, context) => {
  needsKernel(context)
  const opened = watchDescriptors()
  await using tcp = await listenTcp(undefined, { family })
  await using udp = await listenUdp(undefined, { family })
  const client = await tcp.connect()
  await until(() => tcp.connections.size === 1)
  const peer = { address: LOOPBACK[family], port: client.localPort as number, family }
  const expected: Opened[] = [
    { kind: 'tcp', state: 'LISTEN', local: tcp.endpoint, remote: undefined },
    { kind: 'udp', state: 'UNCONN', local: udp.endpoint, remote: undefined },
    { kind: 'tcp', state: 'ESTABLISHED', local: tcp.endpoint, remote: peer },
    { kind: 'tcp', state: 'ESTABLISHED', local: peer, remote: tcp.endpoint },
  ]
  expect(opened()).toEqual(expected.sort(byText))
  await Promise.all([tcp.close(), udp.close()])
  expect(opened()).toEqual([])
})

it('have the path of a unix socket', async (context) => {
  needsKernel(context)
  const opened = watchDescriptors()
  await using server = await listenUnix()
  await server.connect()
  await until(() => server.connections.size === 1)
  const expected: Opened[] = [
    { kind: 'unix', state: 'LISTEN', local: server.path, remote: undefined },
    { kind: 'unix', state: 'ESTABLISHED', local: server.path, remote: undefined },
    { kind: 'unix', state: 'ESTABLISHED', local: '', remote: undefined },
  ]
  expect(opened()).toEqual(expected.sort(byText))
})

it('include those of its threads', async (context) => {
  needsKernel(context)
  const { Worker } = await import('node:worker_threads')
  const opened = watchDescriptors()
  const worker = new Worker(
    `const server = require('node:net').createServer().listen(0, '${LOOPBACK[FAMILY]}', () =>
       require('node:worker_threads').parentPort.postMessage(server.address().port))`,
    { eval: true },
  )
  const [port] = await once(worker, 'message')
  expect(opened()).toEqual([
    { kind: 'tcp', state: 'LISTEN', local: { address: LOOPBACK[FAMILY], port, family: FAMILY }, remote: undefined },
  ])
  await worker.terminate()
  expect(opened()).toEqual([])
})

it('include the pipes to a child, as unix sockets', async (context) => {
  needsKernel(context)
  const opened = watchDescriptors()
  const child = spawn(process.execPath, ['--eval', 'process.stdin.resume()'])
  const pipe = { kind: 'unix', state: 'ESTABLISHED', local: '', remote: undefined }
  expect(opened()).toEqual([pipe, pipe, pipe])
  child.stdin.end()
  await once(child, 'close')
})

it('are unbound if no table of the kernel has them', async (context) => {
  needsKernel(context)
  await using endpoint = await refusedEndpoint()
  const opened = watchDescriptors()
  const refused = net.connect(endpoint.port, endpoint.address)
  const failed = once(refused, 'close').catch(({ code }) => code)
  // Node calls connect(2) in the next tick, and gets the refusal in the next turn of the event loop.
  await new Promise<void>((resolve) => process.nextTick(resolve))
  let descriptors = opened()
  for (let tries = 0; tries < 10_000 && descriptors[0]?.kind !== 'unbound'; tries++) descriptors = opened()
  expect(descriptors).toEqual([{ kind: 'unbound' }])
  expect(await failed).toBe('ECONNREFUSED')
})

describe('inherited descriptors', () => {
  it.for([
    { what: 'a socket that it was given twice', descriptors: 2 },
    { what: 'a socket that it was given', descriptors: 1 },
    { what: 'none', descriptors: 0 },
  ])('are $what', async ({ descriptors }, context) => {
    needsKernel(context)
    await using server = await listenTcp()
    const { fd } = (server.server as unknown as { _handle: { fd: number } })._handle
    const code = `
      const { socketDescriptors } = await import(process.env.PORTSIDE)
      const { readdirSync, readlinkSync } = await import('node:fs')
      const names = readdirSync('/proc/self/fd').filter((name) => {
        try {
          return readlinkSync('/proc/self/fd/' + name).startsWith('socket:')
        } catch {
          return false
        }
      })
      console.log(JSON.stringify({ names, listed: socketDescriptors() }))
      process.exit()`
    const [program, ...args] = node(code)
    const output = execFileSync(program, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit', ...Array(descriptors).fill(fd)],
    })
    const { names, listed } = JSON.parse(output) as { names: string[]; listed: SocketDescriptor[] }
    expect(listed.map((each) => each.fd).sort(ascending)).toEqual(names.map(Number).sort(ascending))
    const given = listed.filter(({ kind }) => kind === 'tcp')
    expect(given).toEqual(
      Array.from({ length: descriptors }, (_, index) => ({
        ...{ fd: 3 + index, inode: given[0]?.inode, kind: 'tcp', state: 'LISTEN', local: server.endpoint },
      })),
    )
  })
})

it('are listed on macOS without their kind', async (context) => {
  needsKernel(context)
  const opened = watchDescriptors(() => descriptorsFrom('lsof'))
  const socket = dgram.createSocket(UDP_HERE)
  await once(socket.bind(0, HERE), 'listening')
  expect(opened()).toEqual([{ kind: 'unbound' }])
  socket.close()
  await once(socket, 'close')
  expect(opened()).toEqual([])
})

it('are unsupported on Windows, where a process cannot list its handles', () => {
  expect(() => descriptorsFrom('netstat')).toThrow(
    expect.objectContaining({
      code: 'ERR_PORTSIDE_UNSUPPORTED',
      message: expect.stringMatching(/^Cannot .+\.\n(?: {2}.+\n)* {2}fix {8}skip the test/),
    }),
  )
})

type Opened = { kind: string; state?: string | undefined; local?: unknown; remote?: unknown }

/** Returns the descriptors that were opened since, without their numbers. */
function watchDescriptors(list = socketDescriptors): () => Opened[] {
  const before = new Set(list().map(({ inode }) => inode))
  return () =>
    list()
      .filter(({ inode }) => !before.has(inode))
      .map(({ fd, inode, ...rest }) => rest)
      .sort(byText)
}

/** An order by all fields, so that lists compare independently of their order. */
const byText = (one: Opened, other: Opened): number => textOf(one).localeCompare(textOf(other))
const textOf = ({ kind, state, local, remote }: Opened): string =>
  inspect({ kind, state, local, remote }, { sorted: true })
const byNumber = ({ fd: one }: { fd: number }, { fd: other }: { fd: number }): number => one - other
const ascending = (one: number, other: number): number => one - other

it('are unsupported without /proc', async (context) => {
  needsKernel(context)
  const code = `
    const { socketDescriptors } = await import(process.env.PORTSIDE)
    try { console.log(socketDescriptors()) } catch ({ code, because }) { console.log(code, because) }`
  const script = 'mount -t tmpfs none /proc && exec "$@"'
  let output: string
  try {
    output = execFileSync(
      'unshare',
      ['--user', '--map-root-user', '--mount', '--', 'sh', '-c', script, 'sh', ...node(code)],
      {
        encoding: 'utf8',
      },
    )
  } catch (error) {
    return context.skip(`/proc cannot be hidden here: ${(error as Error).message}`)
  }
  expect(output.trim()).toBe('ERR_PORTSIDE_UNSUPPORTED there is no /proc/self/fd, as in a sandbox')
})

it('has no inode where the kernel gives 0, as macOS does for TCP and UDP', () => {
  const stat = (fd: number): Stats => ({ isSocket: () => fd < 2, ino: fd === 0 ? 0 : 4711 }) as Stats
  const found = descriptorsIn('/dev/fd', stat)
  expect(found.map(({ fd, inode }) => [fd, inode])).toEqual([
    [0, undefined],
    [1, 4711],
  ])
})
