import { execFile, spawn } from 'node:child_process'
import dgram from 'node:dgram'
import { once } from 'node:events'
import fs from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { beforeEach, describe, expect, it, onTestFinished, type TestContext } from 'vitest'
import {
  type Endpoint,
  type EndpointLike,
  findOwners,
  listenTcp,
  listenUdp,
  listenUnix,
  loopbackFamilies,
  type OwnersOptions,
  probeLoopback,
  reservePort,
  type SocketOwner,
} from '../../src/index.js'
import { describeOwner, ownersOf } from '../../src/socket-table/owners.js'
import { until } from '../support/clients.js'
import { leavesNothingOpen, needsKernel, tcpEntries } from '../support/kernel.js'
import { runInNamespace, whyNoNamespace } from '../support/namespace.js'
import { asNobody, whyNotNobody } from '../support/nobody.js'
import { node } from '../support/program.js'

leavesNothingOpen()

const LOOPBACK = { IPv4: '127.0.0.1', IPv6: '::1' }
const FAMILIES = loopbackFamilies()
const [FAMILY] = FAMILIES as ['IPv4' | 'IPv6']
const BOTH = FAMILIES.length === 2
const UID = process.getuid?.()
const SELF = {
  thisProcess: true,
  pid: process.pid,
  program: basename(process.title),
  uid: UID,
  receiveQueue: 0,
  hidden: undefined,
}
const LISTENS = { ...SELF, protocol: 'tcp', state: 'LISTEN', remote: undefined }

beforeEach((context) => needsKernel(context))

describe.each(FAMILIES)('on %s, an owner is found', (family) => {
  const address = LOOPBACK[family]

  it.each<{ what: string; of: (port: number) => EndpointLike }>([
    { what: 'an address and a port', of: (port) => ({ address, port }) },
    { what: 'a host and a port', of: (port) => ({ host: address, port }) },
    { what: 'an endpoint', of: (port) => ({ address, port, family }) },
    { what: 'a port alone', of: (port) => port },
    { what: 'localhost', of: (port) => ({ host: 'localhost', port }) },
    { what: 'a port of nothing', of: (port) => ({ port }) },
    { what: 'a URL', of: (port) => new URL(`http://${family === 'IPv6' ? '[::1]' : address}:${port}/path`) },
    { what: 'a URL of localhost', of: (port) => new URL(`tcp://localhost:${port}`) },
    ...(family === 'IPv6'
      ? ['0:0:0:0:0:0:0:1', '::0001', '0000::1', '::1%lo']
      : ['::ffff:127.0.0.1', '::FFFF:127.0.0.1', '::ffff:7f00:1', '0:0:0:0:0:ffff:7f00:0001', '127.1']
    ).map((host) => ({ what: host, of: (port: number) => ({ host, port }) })),
    ...(family === 'IPv6'
      ? []
      : [{ what: 'a URL of a mapped address', of: (port: number) => new URL(`http://[::ffff:127.0.0.1]:${port}`) }]),
  ])('by $what', async ({ of }) => {
    await using server = await listenTcp(undefined, { family })
    const { port } = server
    const owners = await findOwners(of(port), { protocol: 'tcp' })
    // Without an address, another process may have the port on the other family.
    expect(owners.filter(({ pid }) => pid === process.pid)).toEqual([{ ...LISTENS, local: server.endpoint }])
  })

  it('for a server of portside, and for one with a client', async () => {
    await using server = await listenTcp(undefined, { family })
    expect(await findOwners(server, { protocol: 'tcp' })).toEqual([{ ...LISTENS, local: server.endpoint }])
    await server.connect()
    expect(await findOwners(server, { protocol: 'tcp' })).toEqual([{ ...LISTENS, local: server.endpoint }])
    expect((await findOwners(server, { protocol: 'udp' })).filter(({ thisProcess }) => thisProcess)).toEqual([])
  })

  it('in another process', async () => {
    await using child = await runNode(`
      const server = require('node:net').createServer().listen(0, '${address}', () => console.log(server.address().port))`)
    const port = Number(child.said)
    const found = { pid: child.pid, program: basename(process.execPath), thisProcess: false }
    const owner = { ...LISTENS, ...found, local: { address, port, family } }
    expect(await findOwners({ address, port }, { protocol: 'tcp' })).toEqual([owner])
    expect(ownersOf({ address, port }, 'tcp')).toEqual([owner])
    expect(describeOwner(owner as SocketOwner)).toMatch(/^pid \d+ \(node\) listens on .*:\d+$/)
  })

  it('for the port of a client: the client', async () => {
    await using server = await listenTcp(undefined, { family })
    const client = await server.connect()
    const port = client.localPort as number
    // Another client may have the same port to another peer.
    const owners = await findOwners({ address, port }, { protocol: 'tcp' })
    expect(owners.filter(({ thisProcess }) => thisProcess)).toEqual([
      { ...LISTENS, state: 'ESTABLISHED', local: { address, port, family }, remote: server.endpoint },
    ])
  })

  it('for a port in TIME_WAIT: no process', async () => {
    const { port, peer } = await leaveTimeWait(address)
    const owners = await findOwners({ address, port }, { protocol: 'tcp' })
    const owner = owners.find(({ remote }) => remote?.port === peer)
    expect(owner).toEqual({
      ...{ protocol: 'tcp', state: 'TIME_WAIT', local: { address, port, family } },
      remote: { address, port: peer, family },
      ...{ thisProcess: false, pid: undefined, program: undefined, uid: undefined, receiveQueue: 0 },
      hidden: expect.stringMatching(/^no process has it any more: .*TIME_WAIT$/),
    })
  })

  it('by protocol for a port of TCP and UDP', async () => {
    await using reservation = await reservePort({ family, protocol: 'both' })
    await using tcp = await listenTcp(undefined, { port: reservation })
    await using udp = await listenUdp(undefined, { port: reservation })
    const { endpoint } = tcp
    const datagrams = { ...LISTENS, protocol: 'udp', state: 'UNCONN', local: endpoint }
    expect(await findOwners(endpoint, { protocol: 'tcp' })).toEqual([{ ...LISTENS, local: endpoint }])
    expect(await findOwners(endpoint, { protocol: 'udp' })).toEqual([datagrams])
    expect(await findOwners(endpoint)).toEqual([{ ...LISTENS, local: endpoint }, datagrams])
    expect(await findOwners(udp)).toEqual(await findOwners(tcp))
  })

  it('in both processes that share a UDP address', async () => {
    const type = family === 'IPv6' ? 'udp6' : 'udp4'
    const socket = dgram.createSocket({ type, reuseAddr: true })
    await once(socket.bind(0, address), 'listening')
    const { port } = socket.address()
    await using child = await runNode(`
      require('node:dgram').createSocket({ type: '${type}', reuseAddr: true })
        .bind(${port}, '${address}', () => console.log())`)
    const owners = await findOwners({ address, port }, { protocol: 'udp' })
    socket.close()
    await once(socket, 'close')
    expect(owners.map(({ pid }) => pid).sort()).toEqual([process.pid, child.pid].sort())
  })

  it('in one of two processes that share a TCP address, and in both for the number', async (context) => {
    const options = { port: 0, host: address, reusePort: true }
    const server = net.createServer()
    await once(server.listen(options), 'listening')
    const { port } = server.address() as net.AddressInfo
    const child = await runNode(`
      const server = require('node:net').createServer()
      server.once('error', ({ code }) => console.log(code))
      server.listen(${JSON.stringify({ ...options, port })}, () => console.log('listening'))`)
    const shared = await findOwners({ address, port }, { protocol: 'tcp' })
    const owners = await findOwners(port, { protocol: 'tcp' })
    await child[Symbol.asyncDispose]()
    await once(server.close(), 'close')
    if (child.said !== 'listening') context.skip(`two listeners with reusePort are not possible here: ${child.said}`)
    expect(owners).toContainEqual(shared[0])
    expect(owners.map(({ pid }) => pid).sort()).toEqual([process.pid, child.pid].sort())
  })

  it('nowhere for an unused address', async () => {
    // The port is held, but on another address.
    await using reservation = await reservePort({ family })
    const elsewhere = family === 'IPv6' ? '2001:db8::1' : '127.83.112.9'
    expect(await findOwners({ address: elsewhere, port: reservation.port }, { protocol: 'tcp' })).toEqual([])
    await expect(findOwners({ host: 'a..b', port: reservation.port })).rejects.toMatchObject({
      code: 'ENOTFOUND',
      because: 'the name resolves to nothing',
    })
  })
})

describe('a server on both families', () => {
  beforeEach((context) => needsBoth(context))

  it('is found by each of its endpoints, the server, its number and localhost', async () => {
    await using server = await listenTcp(undefined, { family: 'dual' })
    const { port } = server
    const owners = server.endpoints.map((local) => ({ ...LISTENS, local }))
    const named: EndpointLike[] = [
      server,
      port,
      { host: 'localhost', port },
      { port },
      new URL(`tcp://localhost:${port}`),
    ]
    for (const target of named) {
      const found = await findOwners(target, { protocol: 'tcp' })
      expect(found.filter(({ thisProcess }) => thisProcess).sort(byAddress)).toEqual(owners)
    }
    for (const [index, endpoint] of server.endpoints.entries()) {
      expect(await findOwners(endpoint, { protocol: 'tcp' })).toEqual([owners[index]])
    }
  })
})

describe('a wildcard', () => {
  beforeEach((context) => needsBoth(context))

  it.each([
    { bound: '0.0.0.0', by: ['127.0.0.1', '127.0.0.9', '0.0.0.0', '::'], not: ['::1'] },
    { bound: '127.0.0.1', by: ['127.0.0.1', '0.0.0.0', '::'], not: ['127.0.0.9', '::1'] },
    { bound: '::', by: ['::1', '::', '127.0.0.1', '127.0.0.9', '0.0.0.0', '::ffff:127.0.0.1'], not: [] },
    { bound: '::1', by: ['::1', '::'], not: ['127.0.0.1', '0.0.0.0', '::2'] },
  ])('matches the addresses it covers: $bound is found by $by, and not by $not', async ({ bound, by, not }) => {
    const { dualStackWildcard } = await probeLoopback()
    const covered = dualStackWildcard ? by : by.filter((address) => net.isIP(address) === net.isIP(bound))
    const server = net.createServer()
    await once(server.listen(0, bound), 'listening')
    const socket = dgram.createSocket(net.isIPv6(bound) ? 'udp6' : 'udp4')
    await once(socket.bind(0, bound), 'listening')
    const places = { tcp: server.address() as net.AddressInfo, udp: socket.address() as net.AddressInfo }
    const found: Record<string, unknown> = {}
    for (const protocol of ['tcp', 'udp'] as const) {
      for (const address of [...by, ...not]) {
        const owners = await findOwners({ address, port: places[protocol].port }, { protocol })
        found[`${protocol} ${address}`] = owners.filter(({ thisProcess }) => thisProcess).map(({ local }) => local)
      }
    }
    await Promise.all([once(server.close(), 'close'), once(socket.close(), 'close')])
    for (const [protocol, { address, port, family }] of Object.entries(places)) {
      for (const asked of covered) expect(found[`${protocol} ${asked}`], asked).toEqual([{ address, port, family }])
      for (const asked of not) expect(found[`${protocol} ${asked}`], asked).toEqual([])
    }
  })
})

describe('a unix path', () => {
  it.each<{ what: string; of: (server: Awaited<ReturnType<typeof listenUnix>>) => EndpointLike }>([
    { what: 'its server', of: (server) => server },
    { what: 'its path', of: ({ path }) => ({ path }) },
    { what: 'its endpoint', of: ({ endpoint }) => endpoint },
    { what: 'its URL', of: ({ url }) => url },
  ])('has the owner of $what', async ({ of }) => {
    await using server = await listenUnix()
    await server.connect()
    expect(await findOwners(of(server))).toEqual([
      { ...LISTENS, protocol: 'unix', local: server.path, uid: undefined, receiveQueue: undefined },
    ])
  })

  it.each(['with spaces ', 'bücher 日本', 'one\ttwo', 'one\rtwo', '@at@', '0000: 1'])(
    '%j has an owner',
    async (name) => {
      const path = join(await temporary(), name)
      await using _server = await listenUnix(undefined, { path })
      expect(await findOwners({ path })).toMatchObject([{ thisProcess: true, state: 'LISTEN', local: path }])
      expect(await findOwners({ path: `${path}.` })).toEqual([])
    },
  )

  it.each(['plain', 'with spaces', 'é', 'ends in @', 'ends in @@', 'a@b', 'a\0b', 'a\0\0b@'])(
    'that is abstract has an owner: %j',
    async (name) => {
      const path = `\0portside-test-${process.pid}-${name}`
      await using _server = await listenUnix(undefined, { path })
      const [owner, ...others] = await findOwners({ path })
      expect(others).toEqual([])
      expect(owner).toMatchObject({ thisProcess: true, protocol: 'unix', state: 'LISTEN' })
      // The printed form is found too.
      expect(await findOwners({ path: path.replaceAll('\0', '@') })).toEqual([owner])
      expect(await findOwners({ path: `${path}.` })).toEqual([])
    },
  )

  it('has no owner without a listener, even if its file exists', async () => {
    const path = join(await temporary(), 's.sock')
    expect(await findOwners({ path })).toEqual([])
    expect(await findOwners({ path: '\0' })).toEqual([])
    expect(await findOwners({ path: '@' })).toEqual([])
    const child = await runNode(`
      require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log())`)
    expect(await findOwners({ path })).toMatchObject([{ pid: child.pid, thisProcess: false }])
    await child[Symbol.asyncDispose]()
    expect(fs.existsSync(path)).toBe(true)
    expect(await findOwners({ path })).toEqual([])
  })

  it('has two owners if one has taken it from the other', async () => {
    const path = join(await temporary(), 's.sock')
    await using _first = await runNode(`
      require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log())`)
    fs.unlinkSync(path)
    await using _second = await listenUnix(undefined, { path })
    expect((await findOwners({ path })).map(({ pid }) => pid).sort()).toEqual([_first.pid, process.pid].sort())
  })
})

describe('a process that this one may not inspect', () => {
  const look = `
    console.log(JSON.stringify(await portside.findOwners(JSON.parse(process.env.ENDPOINT), { protocol: 'tcp' })))
    process.exit()`
  const loadAndLook = `const portside = await import(process.env.PORTSIDE)${look}`

  it('is reported as hidden: of another user', async (context) => {
    if (whyNotNobody !== undefined) context.skip(whyNotNobody)
    await using server = await listenTcp()
    const owners = await lookIn([], asNobody(look), server.endpoint)
    expect(owners).toEqual([
      {
        ...{ protocol: 'tcp', state: 'LISTEN', local: server.endpoint, uid: UID, receiveQueue: 0, thisProcess: false },
        hidden: expect.stringMatching(new RegExp(`user ${UID}\\b.* may not be inspected`)),
      },
    ])
    expect(describeOwner(owners[0] as SocketOwner)).toMatch(/^a listener is on .*:\d+; .*may not be inspected/)
  })

  it('is reported as hidden: outside its user namespace', async (context) => {
    const unshare = ['unshare', '--user', '--map-root-user', '--']
    await needsProgram(context, unshare)
    await using server = await listenTcp()
    const [owner] = await lookIn(unshare, loadAndLook, server.endpoint)
    // Its descriptors can be listed, but not read.
    expect(owner?.pid).toBeUndefined()
    expect(owner?.hidden).toMatch(/may not be inspected/)
  })

  it('is reported as hidden: outside its PID namespace', async (context) => {
    const unshare = ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--mount-proc', '--']
    await needsProgram(context, unshare)
    await using server = await listenTcp()
    const [owner] = await lookIn(unshare, loadAndLook, server.endpoint)
    expect(owner?.pid).toBeUndefined()
    expect(owner?.hidden).toMatch(/is not visible from here: .*in another PID namespace/)
  })

  it('is not mistaken for this process if that has another number in /proc', async (context) => {
    const unshare = ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--']
    await needsProgram(context, unshare)
    const own = `
      const { createServer } = await import('node:net')
      const server = createServer()
      await new Promise((resolve) => server.listen(0, '${LOOPBACK[FAMILY]}', resolve))
      process.env.ENDPOINT = JSON.stringify(server.address())`
    const program = basename(process.execPath)
    expect(await lookIn(unshare, `${own}\n${loadAndLook}`)).toMatchObject([{ thisProcess: true, pid: 1, program }])
  })

  it('is not a process in a PID namespace inside this one', async (context) => {
    const unshare = ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--kill-child', '--mount-proc', '--']
    await needsProgram(context, unshare)
    await using child = await runNode(
      `const server = require('node:net').createServer().listen(0, '${LOOPBACK[FAMILY]}', () => console.log(server.address().port))`,
      unshare,
    )
    const port = Number(child.said)
    const [owner] = await findOwners({ address: LOOPBACK[FAMILY], port }, { protocol: 'tcp' })
    const visible = process.getuid?.() === 0
    expect(owner).toMatchObject({ thisProcess: false, ...(visible ? { program: basename(process.execPath) } : {}) })
    expect(owner?.pid).not.toBe(1)
  })

  it('is found with or without its zone, which the kernel does not show', (context) => {
    if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
    const code = `
      import net from 'node:net'
      const { findOwners } = await import(process.env.PORTSIDE)
      const server = net.createServer()
      await new Promise((resolve) => server.listen(0, 'fe80::7%lo', resolve))
      const { address, port } = server.address()
      const found = []
      for (const host of [address, 'fe80::7', 'fe80::7%lo', 'fe80::8']) found.push((await findOwners({ host, port })).length)
      console.log(JSON.stringify(found))
      process.exit()`
    expect(JSON.parse(runInNamespace('ip -6 address add fe80::7/64 dev lo nodad', code))).toEqual([1, 1, 1, 0])
  })

  /** The owners that a program finds when it is run by this command. */
  async function lookIn(words: string[], code: string, endpoint?: Endpoint): Promise<SocketOwner[]> {
    const [program, ...args] = [...words, ...node(code)]
    const env = { ...process.env, ENDPOINT: JSON.stringify(endpoint) }
    const { stdout } = await promisify(execFile)(program as string, args, { env })
    return JSON.parse(stdout)
  }
})

describe('findOwners', () => {
  it.each<[unknown, string]>([
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [null, 'ERR_INVALID_ARG_TYPE'],
    ['127.0.0.1:80', 'ERR_INVALID_ARG_TYPE'],
    [{ host: '', port: 80 }, 'ERR_INVALID_ARG_TYPE'],
    [{ path: '' }, 'ERR_INVALID_ARG_TYPE'],
    [net.createServer(), 'ERR_INVALID_ARG_TYPE'],
    [{}, 'ERR_SOCKET_BAD_PORT'],
    [0, 'ERR_SOCKET_BAD_PORT'],
    [65_536, 'ERR_SOCKET_BAD_PORT'],
    [Number.NaN, 'ERR_SOCKET_BAD_PORT'],
    [{ address: '127.0.0.1' }, 'ERR_SOCKET_BAD_PORT'],
    [{ address: '127.0.0.1', port: '80' }, 'ERR_SOCKET_BAD_PORT'],
    [new URL('tcp://127.0.0.1'), 'ERR_SOCKET_BAD_PORT'],
  ])('rejects %s', async (target, code) => {
    await expect(findOwners(target as EndpointLike)).rejects.toMatchObject({ code })
  })

  it.each<[unknown, string]>([
    [null, 'ERR_INVALID_ARG_TYPE'],
    ['tcp', 'ERR_INVALID_ARG_TYPE'],
    [{ protocol: 'TCP' }, 'ERR_INVALID_ARG_VALUE'],
    [{ protocol: 'unix' }, 'ERR_INVALID_ARG_VALUE'],
    [{ protocol: null }, 'ERR_INVALID_ARG_VALUE'],
  ])('rejects the options %j', async (options, code) => {
    await expect(findOwners(1, options as OwnersOptions)).rejects.toMatchObject({ code })
  })
})

it.runIf(process.platform === 'linux' && BOTH)(
  'a listener for IPv6 only does not hide the owner of the IPv4 port',
  async () => {
    const server = net.createServer().listen({ port: 0, host: '::', ipv6Only: true })
    await once(server, 'listening')
    const { port } = server.address() as net.AddressInfo
    await using peer = await listenTcp((socket) => void socket.resume(), { host: '127.0.0.1' })
    const client = net.connect({ port: peer.port, host: '127.0.0.1', localAddress: '127.0.0.1', localPort: port })
    await once(client, 'connect')
    const owners = await findOwners({ address: '127.0.0.1', port }, { protocol: 'tcp' })
    // Another connection may have had the port, and be in TIME_WAIT on IPv4.
    const alive = owners.filter(({ state }) => state !== 'TIME_WAIT')
    expect(alive.map(({ state, local }) => `${state} ${(local as Endpoint).address}`)).toEqual([
      'LISTEN ::',
      'ESTABLISHED 127.0.0.1',
    ])
    client.destroy()
    server.close()
    await once(server, 'close')
  },
)

describe('describeOwner', () => {
  const local: Endpoint = { address: '::1', port: 80, family: 'IPv6' }
  const owner: SocketOwner = { thisProcess: false, protocol: 'tcp', state: 'LISTEN', local }

  it.each<[Partial<SocketOwner>, string]>([
    [{ thisProcess: true, pid: 7, program: 'node' }, 'this process (pid 7) listens on [::1]:80'],
    [{ pid: 8, program: 'postgres' }, 'pid 8 (postgres) listens on [::1]:80'],
    [{ pid: 8 }, 'pid 8 listens on [::1]:80'],
    [{ pid: 8, program: '' }, 'pid 8 listens on [::1]:80'],
    [{ hidden: 'why' }, 'a listener is on [::1]:80; why'],
    [{ pid: 8, state: 'ESTABLISHED' }, 'pid 8 has a TCP socket in ESTABLISHED on [::1]:80'],
    [{ pid: 8, protocol: 'udp', state: 'UNCONN' }, 'pid 8 has a UDP socket on [::1]:80'],
    [{ state: 'TIME_WAIT', hidden: 'gone' }, 'a TCP socket in TIME_WAIT is on [::1]:80; gone'],
    [{ pid: 8, protocol: 'unix', local: '/tmp/s.sock' }, 'pid 8 listens on /tmp/s.sock'],
    [{ pid: 8, protocol: 'unix', local: '@name' }, 'pid 8 listens on @name'],
    [{ pid: 8, program: 'a\n\x1b[31mb' }, 'pid 8 (a\\n\\u001b[31mb) listens on [::1]:80'],
    [{ pid: 8, protocol: 'unix', local: '/a\nb' }, 'pid 8 listens on /a\\nb'],
  ])('describes %j: %s', (given, text) => {
    expect(describeOwner({ ...owner, ...given })).toBe(text)
  })
})

const byAddress = ({ local: one }: SocketOwner, { local: other }: SocketOwner): number =>
  (other as Endpoint).address.length - (one as Endpoint).address.length

function needsBoth(context: TestContext): void {
  if (!BOTH) context.skip(`this host has ${FAMILY} only`)
}

async function needsProgram(context: TestContext, [program, ...args]: string[]): Promise<void> {
  const why = await promisify(execFile)(program as string, [...args, 'true']).then(
    () => undefined,
    (error: Error & { stderr?: string }) =>
      /\bError: .*/.exec(error.stderr ?? '')?.[0] ?? error.stderr?.trim() ?? error.message,
  )
  if (why !== undefined) context.skip(why)
}

async function temporary(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'portside-test-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** The port of a closed server that was the first to close its only connection, and the port of its client. */
async function leaveTimeWait(address: string): Promise<{ port: number; peer: number }> {
  const server = net.createServer((socket) => socket.end())
  await once(server.listen(0, address), 'listening')
  const { port } = server.address() as net.AddressInfo
  const client = net.connect(port, address).resume()
  await once(client, 'connect')
  const peer = client.localPort as number
  await once(client, 'close')
  await once(server.close(), 'close')
  await until(() => tcpEntries(port).some(({ state, remote }) => state === 'TIME_WAIT' && remote.port === peer))
  return { port, peer }
}

/** A Node program that prints one line and runs until its disposal. */
async function runNode(code: string, words: string[] = []) {
  const [program, ...args] = [...words, process.execPath, '--eval', `${code}\nsetInterval(() => {}, 60_000)`]
  const child = spawn(program as string, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'close')
  // unshare(1) ignores SIGTERM.
  const end = (): boolean => child.kill('SIGKILL')
  onTestFinished(() => void end())
  const [said] = await once(child.stdout, 'data')
  return {
    pid: child.pid,
    said: String(said).trim(),
    async [Symbol.asyncDispose]() {
      end()
      await exited
    },
  }
}
