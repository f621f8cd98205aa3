import { execFile, execFileSync, spawn } from 'node:child_process'
import dgram from 'node:dgram'
import { once } from 'node:events'
import fs from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Readable } from 'node:stream'
import { inspect, promisify } from 'node:util'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  loopbackFamilies,
  probeLoopback,
  readSocketTable,
  type SocketAddress,
  type SocketEntry,
  type SocketFilter,
} from '../../src/index.js'
import { linuxSockets, readSocketTableLinux } from '../../src/socket-table/linux.js'
import { ProcTable } from '../../src/socket-table/proc-table.js'
import { programOf, SocketHolders } from '../../src/socket-table/socket-holders.js'
import { socketTable } from '../../src/socket-table/socket-table.js'
import { until } from '../support/clients.js'
import { HERE, needsDescriptors, needsPorts } from '../support/here.js'
import { leavesNothingOpen, needsKernel, openSockets, type TcpEntry, tcpEntries } from '../support/kernel.js'
import { runInNamespace, whyNoNamespace } from '../support/namespace.js'
import { node } from '../support/program.js'

leavesNothingOpen()

const LOOPBACK = { IPv4: '127.0.0.1', IPv6: '::1' }
const FAMILIES = loopbackFamilies()
const [FAMILY] = FAMILIES as ['IPv4' | 'IPv6']
const UID = process.getuid?.()
const LISTENER = { protocol: 'tcp', state: 'LISTEN', address: LOOPBACK[FAMILY] } as const
/** The holder of the sockets of this process. */
const SELF = { pid: process.pid, program: basename(process.title), hidden: undefined }

/** Both ways to read it: all tables ahead, and one by one synchronously. */
const READERS: Array<{ how: string; read: (filter?: SocketFilter, proc?: string) => Promise<SocketEntry[]> }> = [
  { how: 'at once', read: readSocketTableLinux },
  { how: 'one by one', read: async (filter, proc) => [...linuxSockets(filter, proc)] },
]

describe('the table of this host', () => {
  beforeEach((context) => needsKernel(context))

  describe.each(FAMILIES)('on %s', (family) => {
    const address = LOOPBACK[family]

    it('a listener is listed with its process', async () => {
      const before = openSockets().map(({ inode }) => inode)
      await using server = await serve({ host: address })
      const [inode] = openSockets().flatMap((socket) => (before.includes(socket.inode) ? [] : [socket.inode]))
      expect((await readOwn({ port: server.port })).map(plain)).toEqual([
        {
          protocol: 'tcp',
          state: 'LISTEN',
          local: { address, port: server.port, family },
          remote: undefined,
          inode,
          uid: UID,
          receiveQueue: 0,
          sendQueue: 0,
          ...SELF,
        },
      ])
    })

    it('both ends of a connection are listed with their unread bytes', async () => {
      await using server = await serve({ host: address })
      await using client = await dial({ host: address, port: server.port })
      client.socket.write('12345')
      const here = { address, port: client.port, family }
      const there = { address, port: server.port, family }
      await until(() => tcpEntries(client.port).some(({ receiveQueue }) => receiveQueue === 5))
      const common = { protocol: 'tcp', state: 'ESTABLISHED', inode: expect.any(Number), uid: UID, sendQueue: 0 }
      expect((await readOwn({ port: client.port })).map(plain)).toEqual([
        { ...common, local: here, remote: there, receiveQueue: 0, ...SELF },
      ])
      expect((await readOwn({ port: server.port, state: 'ESTABLISHED' })).map(plain)).toEqual([
        { ...common, local: there, remote: here, receiveQueue: 5, ...SELF },
      ])
    })

    it('a connection that one end has closed has another state at each end', async () => {
      await using server = await serve({ host: address })
      await using client = await dial({ host: address, port: server.port })
      client.socket.end()
      // The other end has received the FIN, and its ACK has arrived.
      for (const there of ['CLOSE_WAIT', 'FIN_WAIT2']) {
        await until(() => tcpEntries(client.port).some(({ state }) => state === there))
      }
      const statesOf = async (port: number) => (await readOwn({ port })).map(({ state }) => state)
      expect(await statesOf(client.port)).toEqual(['FIN_WAIT2'])
      expect(await statesOf(server.port)).toEqual(['LISTEN', 'CLOSE_WAIT'])
    })

    it('a connection in TIME_WAIT has no process', async () => {
      const server = net.createServer((socket) => socket.end())
      await once(server.listen(0, address), 'listening')
      const { port } = server.address() as net.AddressInfo
      const client = net.connect(port, address).resume()
      await once(client, 'connect')
      const { localPort } = client
      await once(client, 'close')
      await once(server.close(), 'close')
      await until(() =>
        tcpEntries(port).some(({ state, remote }) => state === 'TIME_WAIT' && remote.port === localPort),
      )
      const entries = await readSocketTable({ state: 'TIME_WAIT', address, port })
      expect(entries.filter(({ remote }) => remote?.port === localPort).map(plain)).toEqual([
        {
          protocol: 'tcp',
          state: 'TIME_WAIT',
          local: { address, port, family },
          remote: { address, port: localPort, family },
          inode: undefined,
          receiveQueue: 0,
          sendQueue: 0,
          uid: undefined,
          pid: undefined,
          program: undefined,
          hidden: expect.stringMatching(/^no process has it any more: .*TIME_WAIT$/),
        },
      ])
    })

    it('a connection that is not accepted yet has no process', async () => {
      await using server = await serve({ host: address })
      const clients = Array.from({ length: 3 }, () => net.connect(server.port, address))
      // Node calls connect(2) in the next tick, and accepts in the next turn of the event loop.
      await new Promise<void>((resolve) => process.nextTick(resolve))
      const entries = blockUntil(
        () => [...socketTable({ protocol: 'tcp', address, port: server.port })],
        ({ length }) => length === 4,
      ).map(plain)
      await until(() => server.accepted.length === 3)
      await Promise.all(clients.map(reset))
      expect(entries[0]).toMatchObject({ state: 'LISTEN', receiveQueue: 3, pid: process.pid })
      for (const entry of entries.slice(1)) {
        expect(entry).toMatchObject({ state: 'ESTABLISHED', inode: undefined, pid: undefined, program: undefined })
        expect(entry.hidden).toMatch(/^no process has it yet: /)
      }
    })

    it('bound and connected UDP sockets are listed', async () => {
      await using bound = await bindUdp(family)
      await using connected = await bindUdp(family)
      await connected.connect(bound.port)
      const common = { protocol: 'udp', inode: expect.any(Number), uid: UID, receiveQueue: 0, sendQueue: 0, ...SELF }
      const there = { address, port: bound.port, family }
      expect((await readSocketTable({ protocol: 'udp', address, port: bound.port })).map(plain)).toEqual([
        { ...common, state: 'UNCONN', local: there, remote: undefined },
      ])
      expect((await readSocketTable({ protocol: 'udp', address, port: connected.port })).map(plain)).toEqual([
        { ...common, state: 'ESTABLISHED', local: { address, port: connected.port, family }, remote: there },
      ])
    })

    it('datagrams wait in the queue of a UDP socket', async () => {
      await using bound = await bindUdp(family)
      await using connected = await bindUdp(family)
      await connected.connect(bound.port)
      connected.socket.send('12345')
      const [entry] = blockUntil(
        () => [...socketTable({ protocol: 'udp', address, port: bound.port })],
        ([socket]) => socket?.receiveQueue !== 0,
      )
      expect(entry?.receiveQueue).toBeGreaterThanOrEqual(5)
      await once(bound.socket, 'message')
    })
  })

  it('unread bytes of a peer are counted as in the kernel', async () => {
    await using server = await serve({ host: LOOPBACK[FAMILY] })
    await using client = await dial({ host: LOOPBACK[FAMILY], port: server.port })
    client.socket.write(Buffer.alloc(16_000_000))
    const isOurs = (one: SocketEntry['local'], other: SocketEntry['remote']): boolean =>
      [one, other].map(portOf).sort().join() === [client.port, server.port].sort().join()
    const told = (entries: ReadonlyArray<Pick<SocketEntry, 'local' | 'remote' | 'receiveQueue' | 'sendQueue'>>) =>
      entries
        .filter(({ local, remote }) => isOurs(local, remote))
        .map(({ local, receiveQueue, sendQueue }) => `${portOf(local)} ${receiveQueue} ${sendQueue}`)
        .sort()
    const kernel = () => unique(told(tcpEntries(client.port) as SocketEntry[]))
    const ours = () => told([...socketTable({ protocol: 'tcp' })])
    // A segment may be acknowledged between two reads.
    const seen: string[][] = []
    await until(() => {
      const before = kernel()
      seen.splice(0, 3, before, ours(), kernel())
      return before.join() === seen[2]?.join() && before.every((queues) => !queues.endsWith(' 0 0'))
    })
    expect(seen[1]).toEqual(seen[0])
  })

  it('IPv4 addresses of a dual-stack server are listed as IPv4', async (context) => {
    const { dualStackWildcard } = await probeLoopback()
    if (!dualStackWildcard) context.skip('a listener on :: takes no connections to 127.0.0.1 here')
    await using server = await serve({ host: '::' })
    await using client = await dial({ host: '127.0.0.1', port: server.port })
    const entries = (await readOwn({ port: server.port })).map(({ state, local, remote }) => ({
      state,
      local,
      remote,
    }))
    const { port } = server
    expect(entries).toEqual([
      { state: 'LISTEN', local: { address: '::', port, family: 'IPv6' }, remote: undefined },
      {
        state: 'ESTABLISHED',
        local: { address: '127.0.0.1', port, family: 'IPv4' },
        remote: { address: '127.0.0.1', port: client.port, family: 'IPv4' },
      },
    ])
  })

  it.each([
    { what: 'a path', name: 's.sock' },
    { what: 'a path with spaces', name: ' two  words ' },
    { what: 'a path that is not ASCII', name: 'bücher-日本-🦊' },
    { what: 'a path that looks like something else', name: '0000: 00000002 @ "\\x20\t%s' },
    { what: 'a path with a carriage return', name: 'one\rtwo' },
    { what: 'a path as long as they may be', name: '', fill: 107 },
  ])('a unix socket has $what', async ({ name, fill = 0 }) => {
    const directory = await temporary()
    const path = join(directory, name || 'x'.repeat(fill - directory.length - 1))
    await using server = await serve({ path })
    await using _client = await dial({ path })
    expect((await readSocketTable({ address: path })).map(plain).sort(byState)).toEqual([
      ...(server.accepted.length === 0 ? [] : [{ ...UNIX, state: 'ESTABLISHED', local: path, ...SELF }]),
      { ...UNIX, state: 'LISTEN', local: path, ...SELF },
    ])
  })

  it('a unix socket that is not accepted yet has no process', async () => {
    const path = join(await temporary(), 's.sock')
    await using server = await serve({ path })
    const client = net.connect(path)
    const entries = [...socketTable({ address: path })].map(plain).sort(byState)
    await until(() => server.accepted.length === 1)
    await reset(client)
    expect(entries.map(({ state, inode }) => [state, typeof inode])).toEqual([
      ['LISTEN', 'number'],
      ['SYN_SENT', 'undefined'],
    ])
    expect(entries[1]?.hidden).toMatch(/^no process has it yet: /)
  })

  it('an abstract unix socket has an @ before its name', async () => {
    const name = `portside-test-${process.pid} é`
    await using _server = await serve({ path: `\0${name}` })
    const entries = await readSocketTable(({ protocol, local }) => protocol === 'unix' && named(local) === `@${name}`)
    expect(entries.map(plain)).toEqual([{ ...UNIX, state: 'LISTEN', local: entries[0]?.local, ...SELF }])
  })

  it('a unix socket without a name has an empty one', async () => {
    const before = new Set(openSockets().map(({ inode }) => inode))
    const child = spawn(process.execPath, ['--eval', 'process.stdin.resume()'], {
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    const entries = (await readSocketTable({ address: '', pid: process.pid })).filter(
      ({ inode }) => inode !== undefined && !before.has(inode),
    )
    child.stdin.end()
    await once(child, 'close')
    expect(entries.map(plain)).toEqual([{ ...UNIX, state: 'ESTABLISHED', local: '', ...SELF }])
  })

  it.each([
    { what: 'its file', title: undefined, program: basename(process.execPath) },
    { what: 'the title that it has given itself', title: 'a title', program: 'a title' },
  ])('a socket of another process has its pid, and $what as its program', async ({ title, program }) => {
    await using child = await runNode(`
      ${title === undefined ? '' : `process.title = ${JSON.stringify(title)}`}
      const server = require('node:net').createServer().listen(0, '${LOOPBACK[FAMILY]}', () => console.log(server.address().port))`)
    const [entry] = await readSocketTable({ ...LISTENER, port: Number(child.said) })
    expect(entry && plain(entry)).toMatchObject({ state: 'LISTEN', pid: child.pid, program, hidden: undefined })
  })

  it('a socket that two processes share belongs to this one while it has it', async () => {
    const server = await serve({ host: LOOPBACK[FAMILY] })
    const { port } = server
    await using child = await runNode('console.log()', fdOf(server.server))
    expect((await readSocketTable({ ...LISTENER, port })).map(({ pid }) => pid)).toEqual([process.pid])
    await server[Symbol.asyncDispose]()
    expect((await readSocketTable({ ...LISTENER, port })).map(({ pid }) => pid)).toEqual([child.pid])
  })

  it('the process of a socket is looked up on access, once for all entries of a read', async () => {
    await using server = await serve({ host: LOOPBACK[FAMILY] })
    const looks = vi.spyOn(fs, 'readdirSync')
    syncBuiltinESMExports()
    onTestFinished(restoreFs)
    const entries = await readSocketTable(LISTENER)
    expect(looks).not.toHaveBeenCalled()
    const entry = entries.find(({ local }) => portOf(local) === server.port)
    expect(entry?.pid).toBe(process.pid)
    expect(looks).toHaveBeenCalledTimes(1)
    for (const { pid, program, hidden } of [entry, entry] as SocketEntry[]) {
      expect({ pid, program, hidden }).toEqual(SELF)
    }
    expect(looks).toHaveBeenCalledTimes(1)
  })

  it('an entry shows all members as JSON and in console.log; a copy has those without a lookup', async () => {
    await using server = await serve({ host: LOOPBACK[FAMILY] })
    const [entry] = (await readSocketTable({ ...LISTENER, port: server.port })) as [SocketEntry]
    const all = plain(entry)
    expect(JSON.parse(JSON.stringify(entry))).toEqual(JSON.parse(JSON.stringify(all)))
    expect(inspect(entry)).toBe(inspect(all))
    expect(inspect([entry])).not.toContain('holders')
    const { pid, program, hidden, ...copied } = all
    expect({ pid, program, hidden }).toEqual(SELF)
    expect({ ...entry }).toEqual(copied)
    expect(structuredClone(entry)).toEqual(copied)
  })

  it.each([
    { what: 'protocol', filter: { protocol: 'tcp' } },
    { what: 'state', filter: { state: 'LISTEN' } },
    { what: 'address', filter: { address: LOOPBACK[FAMILY] } },
    { what: 'port', filter: { port: 'its own' } },
    { what: 'pid', filter: { pid: process.pid } },
    { what: 'several', filter: { protocol: 'tcp', state: 'LISTEN', port: 'its own', pid: process.pid } },
  ])('a filter keeps the matching sockets: $what', async ({ filter }) => {
    await using server = await serve({ host: LOOPBACK[FAMILY] })
    await using _udp = await bindUdp(FAMILY)
    await using _client = await dial({ host: LOOPBACK[FAMILY], port: server.port })
    const own = ownInodes()
    const given = { ...filter, ...('port' in filter ? { port: server.port } : {}) } as SocketFilter
    const fitting = ({ protocol, state, local, pid }: SocketEntry): boolean =>
      (given.protocol ?? protocol) === protocol &&
      (given.state ?? state) === state &&
      (given.address ?? addressOf(local)) === addressOf(local) &&
      (given.port ?? portOf(local)) === portOf(local) &&
      (given.pid ?? pid) === pid
    const ofThisTest = (entries: Iterable<SocketEntry>) =>
      [...entries].map(({ inode }) => inode).filter((inode) => own.has(inode as number))
    const expected = ofThisTest(await readSocketTable(fitting))
    expect(expected.length).toBeGreaterThan(0)
    expect(ofThisTest(await readSocketTable(given))).toEqual(expected)
    expect(ofThisTest(socketTable(given))).toEqual(expected)
  })

  it.each([
    [null, 'ERR_INVALID_ARG_TYPE'],
    ['tcp', 'ERR_INVALID_ARG_TYPE'],
    [80, 'ERR_INVALID_ARG_TYPE'],
    [{ protocol: 'TCP' }, 'ERR_INVALID_ARG_VALUE'],
    [{ protocol: null }, 'ERR_INVALID_ARG_VALUE'],
    [{ state: 'LISTENING' }, 'ERR_INVALID_ARG_VALUE'],
    [{ state: 10 }, 'ERR_INVALID_ARG_VALUE'],
    [{ address: 5 }, 'ERR_INVALID_ARG_TYPE'],
    [{ port: '80' }, 'ERR_INVALID_ARG_TYPE'],
    [{ port: 80.5 }, 'ERR_INVALID_ARG_TYPE'],
    [{ port: Number.NaN }, 'ERR_INVALID_ARG_TYPE'],
    [{ port: -1 }, 'ERR_SOCKET_BAD_PORT'],
    [{ port: 65_536 }, 'ERR_SOCKET_BAD_PORT'],
    [{ pid: 0 }, 'ERR_INVALID_ARG_VALUE'],
    [{ pid: '1' }, 'ERR_INVALID_ARG_TYPE'],
    [{ pid: null }, 'ERR_INVALID_ARG_TYPE'],
  ])('a filter %j is rejected', async (filter, code) => {
    await expect(readSocketTable(filter as unknown as SocketFilter)).rejects.toMatchObject({ code })
  })

  it('a filter by process includes sockets that it shares', async () => {
    await using serving = await serve({ host: HERE })
    const { server, port } = serving
    const child = spawn(process.execPath, ['--eval', 'console.log(); setInterval(() => {}, 1000)'], {
      stdio: ['ignore', 'pipe', 'inherit', (server as unknown as { _handle: { fd: number } })._handle.fd],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child.stdout as Readable, 'data')
    for (const pid of [process.pid, child.pid as number]) {
      const [entry, ...others] = await readSocketTable({ pid, port })
      expect(others).toEqual([])
      expect(entry).toMatchObject({ state: 'LISTEN', pid })
    }
    expect(await readSocketTable({ pid: 2 ** 22, port })).toEqual([])
    child.kill('SIGKILL')
    await once(child, 'close')
  })

  it('a filter by a process that may not be inspected is rejected', async () => {
    const proc = await fakeProc({ tcp: [] })
    await addProcess(proc, 4711, { fd: 'no folder' })
    await expect(readSocketTableLinux({ pid: 4711 }, proc)).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_UNSUPPORTED',
      because: expect.stringContaining('may not inspect it'),
    })
    expect(() => [...linuxSockets({ pid: 4711 }, proc)]).toThrow('list the sockets of process 4711')
  })

  it('hundreds of sockets are the same set as in another reader, and in ss', async (context) => {
    needsDescriptors(context, 1500)
    const servers = await Promise.all(FAMILIES.map((family) => serve({ host: LOOPBACK[family] })))
    const clients = await Promise.all(
      servers.flatMap(({ server, port }) => Array.from({ length: 75 }, () => dial(addressAndPort(server, port)))),
    )
    await until(() => servers.every(({ accepted }) => accepted.length === 75))
    // Other processes may have sockets with the same ports.
    const own = ownInodes()
    const ofThisTest = ({ inode }: { inode?: number | undefined }): boolean => own.has(inode as number)
    const expected = unique(
      tcpEntries()
        .filter(ofThisTest)
        .map((entry) => line(entry)),
    ).sort()
    const found = await Promise.all(READERS.map(({ read }) => read({ protocol: 'tcp' })))
    const listed = await ss('-tan')
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
    expect(expected).toHaveLength(servers.length * 151)
    for (const entries of found) {
      expect(entries.filter(ofThisTest).map(lineOf).sort()).toEqual(expected)
    }
    if (typeof listed === 'string') return context.skip(listed)
    const inodesOf = (sockets: Array<{ inode?: number | undefined }> = []) => sockets.map(({ inode }) => inode).sort()
    expect(inodesOf(listed.filter(ofThisTest))).toEqual(inodesOf(found[0]?.filter(ofThisTest)))
  })

  it('thousands of sockets are listed, the same in two concurrent reads', async (context) => {
    needsDescriptors(context, 5000)
    needsPorts(context, 2500)
    await using server = await serve({ host: LOOPBACK[FAMILY] })
    const clients: Array<Awaited<ReturnType<typeof dial>>> = []
    while (clients.length < 2000) {
      // An accept queue holds this many.
      clients.push(
        ...(await Promise.all(Array.from({ length: 250 }, () => dial({ host: LOOPBACK[FAMILY], port: server.port })))),
      )
      await until(() => server.accepted.length === clients.length)
    }
    const own = ownInodes()
    const inodes = (entries: Iterable<SocketEntry>): number[] =>
      [...entries].flatMap(({ inode }) => (inode !== undefined && own.has(inode) ? [inode] : [])).sort()
    const tables = [
      ...(await Promise.all([readSocketTable(), readSocketTable(), readSocketTable({ protocol: 'tcp' })])),
      [...socketTable()],
    ].map(inodes)
    const wanted = unique(
      tcpEntries()
        .map(({ inode }) => inode)
        .filter((inode) => own.has(inode)),
    ).sort()
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
    expect(wanted).toHaveLength(4001)
    expect(tables[2]).toEqual(wanted)
    expect(tables[0]?.length).toBeGreaterThanOrEqual(wanted.length)
    for (const table of tables) expect(table.filter((inode) => wanted.includes(inode))).toEqual(wanted)
  })

  it('lasting sockets are listed while another process opens and closes others', async (context) => {
    needsDescriptors(context, 1500)
    await using server = await serve({ host: LOOPBACK[FAMILY] })
    const clients = await Promise.all(
      Array.from({ length: 200 }, () => dial({ host: LOOPBACK[FAMILY], port: server.port })),
    )
    const wanted = [...ownInodes()].filter((inode) => tcpEntries().some((entry) => entry.inode === inode))
    await using _child = await runNode(`
      const net = require('node:net')
      const churn = (port) => {
        const socket = net.connect(port, '${LOOPBACK[FAMILY]}', () => {
          socket.resetAndDestroy()
          churn(port)
        })
      }
      const server = net.createServer((socket) => socket.on('error', () => {})).listen(0, '${LOOPBACK[FAMILY]}', () => {
        for (let i = 0; i < 50; i++) churn(server.address().port)
        console.log()
      })`)
    const broken: string[] = []
    const missing: number[] = []
    for (let round = 0; round < 6; round++) {
      const seen = new Set<number | undefined>()
      // If a table changes between two pages, the kernel may move a socket to a page that was already read.
      for (const { read } of READERS) {
        for (const { state, local, remote, inode } of await read({ protocol: 'tcp' })) {
          seen.add(inode)
          if (state === 'UNKNOWN' || [local, remote].some((end) => end !== undefined && !isAddress(end))) {
            broken.push(inspect({ state, local, remote }))
          }
        }
      }
      missing.push(...wanted.filter((inode) => !seen.has(inode)))
    }
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
    expect(wanted.length).toBeGreaterThan(200)
    expect(broken).toEqual([])
    expect(missing).toEqual([])
  })
})

describe('the table in a process without a descriptor left', () => {
  it.for([0, 1, 2, 3])('is complete or fails, with %i left', async (left, context) => {
    needsKernel(context)
    needsDescriptors(context, 200)
    // The code loads all modules before it uses up the descriptors.
    const code = `
      import { once } from 'node:events'
      import { closeSync, openSync } from 'node:fs'
      import net from 'node:net'
      const { ephemeralPorts, findOwners, readSocketTable, socketDescriptors } = await import(process.env.PORTSIDE)
      const server = net.createServer().listen(0, '${LOOPBACK[FAMILY]}')
      await once(server, 'listening')
      const { port } = server.address()
      const asked = {
        readSocketTable: async () => (await readSocketTable({ port })).length,
        tcp: async () => (await readSocketTable({ port, protocol: 'tcp' })).length,
        unix: async () => (await readSocketTable({ protocol: 'unix' })).length > 0 ? 1 : 0,
        pids: async () => (await readSocketTable({ pid: process.pid, port })).length,
        findOwners: async () => (await findOwners(port)).length,
        socketDescriptors: async () => socketDescriptors().filter(({ local }) => local?.port === port).length,
        ephemeralPorts: async () => (await ephemeralPorts()).inUse > 0 ? 1 : 0,
      }
      for (const ask of Object.values(asked)) await ask()
      const taken = []
      try {
        for (;;) taken.push(openSync('/dev/null', 'r'))
      } catch {}
      for (let count = 0; count < ${left}; count++) closeSync(taken.pop())
      const answers = {}
      for (const [name, ask] of Object.entries(asked)) answers[name] = await ask().catch(({ code }) => code)
      for (const descriptor of taken) closeSync(descriptor)
      console.log(JSON.stringify(answers))
      process.exit()`
    const output = execFileSync('sh', ['-c', 'ulimit -n 500 && exec "$@"', 'sh', ...node(code)], { encoding: 'utf8' })
    for (const [name, answer] of Object.entries(JSON.parse(output))) {
      expect([1, 'EMFILE'], `${name}: ${answer}`).toContain(answer)
    }
  })
})

describe.skipIf(whyNoNamespace !== undefined)(`in a private network (${whyNoNamespace ?? 'possible here'})`, () => {
  const prepare = `
    import { createSocket } from 'node:dgram'
    import { once } from 'node:events'
    import { readFileSync } from 'node:fs'
    import net from 'node:net'
    const { linuxSockets, readSocketTableLinux } = await import(new URL('./socket-table/linux.js', process.env.PORTSIDE))
    const serve = async (options) => {
      const server = net.createServer((socket) => socket.on('error', () => {}))
      await once(server.listen(options), 'listening')
      return server.address().port
    }
    const dial = async (port, host) => once(net.connect(port, host), 'connect')
    const HOSTS = ${JSON.stringify(FAMILIES.map((family) => LOOPBACK[family]))}
    const hostOf = (count) => HOSTS[count % HOSTS.length]
    const udp = (host) => once(createSocket(host === '::1' ? 'udp6' : 'udp4').bind(0, host), 'listening')
    const differences = []
    // All sockets here belong to this process, so every line of the kernel must be listed.
    const kernel = (protocol) => ['', '6'].flatMap((version) => {
      if (protocol === 'unix' && version === '6') return []
      const lines = readFileSync('/proc/self/net/' + protocol + version, 'latin1').trim().split('\\n').slice(1)
      return lines.map((line) => line.trim().split(/\\s+/)[protocol === 'unix' ? 6 : 9])
    }).map((inode) => inode === '0' ? 'none' : inode).sort().join()
    const ours = (entries) => entries.map(({ inode }) => inode === undefined ? 'none' : String(inode)).sort().join()
    const compare = async (when, protocols = ['tcp', 'udp', 'unix']) => {
      for (const protocol of protocols) {
        const expected = kernel(protocol)
        if (ours([...linuxSockets({ protocol })]) !== expected) differences.push('one by one: ' + protocol + ' ' + when)
        if (ours(await readSocketTableLinux({ protocol })) !== expected) differences.push('at once: ' + protocol + ' ' + when)
      }
    }`

  it('a table is read completely at each length up to three pages', (context) => {
    needsDescriptors(context, 1000)
    const code = `${prepare}
      await compare('empty')
      for (let count = 0; count < 100; count++) {
        const host = hostOf(count)
        const port = await serve({ port: 0, host })
        await udp(host)
        await serve({ path: '\\0' + 'x'.repeat(count) })
        if (count % 2 === 0) await compare(count + ' listeners')
        await dial(port, host)
        // They come after the listeners, so a third of the lengths is enough.
        if (count % 3 === 0) await compare(count + ' listeners and a connection', ['tcp'])
      }
      console.log(JSON.stringify(differences))
      process.exit()`
    expect(JSON.parse(runInNamespace('', code))).toEqual([])
  })

  it('connections are found behind hundreds of listeners, and without listeners', (context) => {
    needsDescriptors(context, 1000)
    const code = `${prepare}
      const ports = []
      for (let count = 0; count < 350; count++) ports.push(await serve({ port: 0, host: hostOf(count) }))
      await compare('350 listeners')
      for (const [index, port] of ports.entries()) await dial(port, hostOf(index))
      await compare('350 connections')
      console.log(JSON.stringify(differences))
      process.exit()`
    expect(JSON.parse(runInNamespace('', code))).toEqual([])
  })

  it('the same sockets are found as by ss', (context) => {
    needsDescriptors(context, 1000)
    try {
      execFileSync('ss', ['-V'], { stdio: 'ignore' })
    } catch (error) {
      context.skip(`ss cannot be run: ${(error as Error).message}`)
    }
    const code = `${prepare}
      import { execFileSync } from 'node:child_process'
      for (let count = 0; count < 60; count++) {
        const host = hostOf(count)
        const port = await serve({ port: 0, host: count % 3 || HOSTS.length === 1 ? host : '::' })
        await dial(port, host)
        await udp(host)
        await serve({ path: '\\0' + count })
      }
      const STATES = { ESTAB: 'ESTABLISHED' }
      const found = {}
      for (const [protocol, letter] of [['tcp', 't'], ['udp', 'u'], ['unix', 'x']]) {
        const listed = execFileSync('ss', ['-HOan' + letter + 'e'], { encoding: 'utf8' }).trim().split('\\n').map((line) => {
          const [first, second] = line.split(/\\s+/)
          const state = protocol === 'unix' ? second : first
          const inode = protocol === 'unix' ? / (\\d+) +\\* /.exec(line)[1] : / ino:(\\d+) /.exec(line)[1]
          return (STATES[state] ?? state) + ' ' + inode
        })
        const entries = await readSocketTableLinux({ protocol })
        const ours = entries.map(({ state, inode }) => state + ' ' + inode)
        // The pipes of ss itself are unix sockets.
        const those = protocol === 'unix' ? (socket) => socket.startsWith('LISTEN') : () => true
        found[protocol] = [listed, ours].map((sockets) => sockets.filter(those).sort())
      }
      console.log(JSON.stringify(found))
      process.exit()`
    const found = JSON.parse(runInNamespace('', code)) as Record<string, [string[], string[]]>
    for (const [listed, ours] of Object.values(found)) expect(ours).toEqual(listed)
    expect(found.tcp?.[0]).toHaveLength(180)
  })
})

describe.each(READERS)('read $how, a table', ({ read }) => {
  it('lists each line, for every kind of address', async () => {
    const lines = ADDRESSES.map(([address]) => tcpLine({ local: [address, 80], remote: [address, 443] }))
    const proc = await fakeProc({ tcp: [HEADING, ...lines.filter((line) => line.length < 160)], tcp6: lines })
    const expected = ADDRESSES.map(([, address]) => ({
      local: { address, port: 80, family: net.isIPv6(address) ? 'IPv6' : 'IPv4' },
      remote: { address, port: 443, family: net.isIPv6(address) ? 'IPv6' : 'IPv4' },
    }))
    const entries = (await read({ protocol: 'tcp' }, proc)).slice(-ADDRESSES.length)
    expect(entries.map(({ local, remote }) => ({ local, remote }))).toEqual(expected)
  })

  it('lists each state', async () => {
    const states = ['01', '02', '03', '04', '05', '06', '07', '08', '09', '0A', '0B', '0C', '0D', 'FF']
    const proc = await fakeProc({
      tcp: [HEADING, ...states.map((state) => tcpLine({ state }))],
      udp: [HEADING, ...['01', '07', '0D'].map((state) => tcpLine({ state }))],
      unix: [
        UNIX_HEADING,
        ...['01', '02', '03', '04', '05'].map((state) => unixLine({ state })),
        unixLine({ state: '01', flags: '00010000' }),
        unixLine({ state: '01', flags: 'FFFFFFFF' }),
      ],
    })
    expect((await read({}, proc)).map(({ protocol, state }) => `${protocol} ${state}`)).toEqual([
      'tcp ESTABLISHED',
      'tcp SYN_SENT',
      'tcp SYN_RECV',
      'tcp FIN_WAIT1',
      'tcp FIN_WAIT2',
      'tcp TIME_WAIT',
      'tcp CLOSE',
      'tcp CLOSE_WAIT',
      'tcp LAST_ACK',
      'tcp LISTEN',
      'tcp CLOSING',
      'tcp SYN_RECV',
      'tcp UNKNOWN',
      'tcp UNKNOWN',
      'udp ESTABLISHED',
      'udp UNCONN',
      'udp UNKNOWN',
      'unix UNCONN',
      'unix SYN_SENT',
      'unix ESTABLISHED',
      'unix CLOSING',
      'unix UNKNOWN',
      'unix LISTEN',
      'unix LISTEN',
    ])
  })

  it.each([
    { inode: 0, uid: 0, expected: { inode: undefined } },
    { inode: 7, uid: 65_534, expected: { inode: 7, uid: 65_534 } },
    { inode: 4_294_967_295, uid: 4_294_967_294, expected: { inode: 4_294_967_295, uid: 4_294_967_294 } },
    { inode: 9_007_199_254_740_991, uid: 1000, expected: { inode: 9_007_199_254_740_991, uid: 1000 } },
  ])('lists inode $inode of user $uid', async ({ inode, uid, expected }) => {
    const proc = await fakeProc({ tcp: [HEADING, tcpLine({ inode, uid })], unix: [UNIX_HEADING, unixLine({ inode })] })
    const [tcp, unix] = await read({}, proc)
    expect(tcp).toMatchObject(expected)
    expect(unix).toMatchObject({ inode: expected.inode })
  })

  it('distinguishes the queues at every length', async () => {
    const line = tcpLine({ queues: '0000ABCD:FFFFFFFF' })
    expect(await read({}, await fakeProc({ tcp: [HEADING, line] }))).toMatchObject([
      { sendQueue: 0xabcd, receiveQueue: 0xffffffff },
    ])
  })

  it('may lack IPv6 or unix sockets', async () => {
    const line = tcpLine({})
    expect(await read({}, await fakeProc({ tcp: [HEADING, line] }))).toHaveLength(1)
    expect(await read({}, await fakeProc({ tcp: [HEADING, line], udp: [HEADING], unix: [UNIX_HEADING] }))).toHaveLength(
      1,
    )
  })

  it('is unsupported if there is no table', async () => {
    const proc = await temporary()
    for (const filter of [{}, { protocol: 'tcp' }, { protocol: 'udp' }, { protocol: 'unix' }] as const) {
      await expect(read(filter, proc)).rejects.toMatchObject({ code: 'ERR_PORTSIDE_UNSUPPORTED' })
      await expect(read(filter, join(proc, 'none'))).rejects.toMatchObject({ code: 'ERR_PORTSIDE_UNSUPPORTED' })
    }
  })

  it.each(['EACCES', 'EPERM', 'ENOENT'])('is unsupported if it may not be opened: %s', async (code) => {
    vi.spyOn(fs, 'openSync').mockImplementation(() => {
      throw Object.assign(new Error(code), { code })
    })
    syncBuiltinESMExports()
    onTestFinished(restoreFs)
    for (const filter of [{}, { protocol: 'tcp' }] as const) {
      await expect(read(filter)).rejects.toMatchObject({ code: 'ERR_PORTSIDE_UNSUPPORTED' })
    }
  })

  it('has no entry for a line without a socket', async () => {
    const lines = [
      '',
      ' ',
      '\0',
      '\r',
      HEADING,
      UNIX_HEADING,
      '   0:',
      tcpLine({}).slice(0, 40),
      tcpLine({}).replace(':', ' '),
      tcpLine({}).replace('0A', 'ZZ'),
      tcpLine({}).replaceAll(' ', ''),
      `x${tcpLine({})}`,
      unixLine({}).slice(20),
      unixLine({}).replace(' 0001 ', ' '),
      'ü'.repeat(100),
      'x'.repeat(200_000),
    ]
    const proc = await fakeProc({ tcp: lines, tcp6: lines, udp: lines, udp6: lines, unix: lines })
    expect(await read({}, proc)).toEqual([])
  })

  it.each(['tcp', 'tcp6', 'udp', 'udp6', 'unix'] as const)(
    'of %s has its whole lines wherever it is cut off',
    async (file) => {
      const lines =
        file === 'unix'
          ? [UNIX_HEADING, ...['/a b', '@c', ''].map((path) => unixLine({ path }))]
          : [
              HEADING,
              ...[80, 81, 82].map((port) => tcpLine({ local: [file.endsWith('6') ? '::1' : '127.0.0.1', port] })),
            ]
      const text = `${lines.join('\n')}\n`
      const proc = await fakeProc({ [file]: [text] })
      const filter = { protocol: file.replace('6', '') } as SocketFilter
      const whole = (await read(filter, proc)).map(withoutHolder)
      expect(whole).toHaveLength(3)
      for (let length = 0; length <= text.length; length++) {
        const left = text.slice(0, length)
        await writeFile(join(proc, 'self/net', file), left)
        const complete = Math.max(left.split('\n').length - 2, 0)
        expect((await read(filter, proc)).map(withoutHolder), `${length} bytes`).toEqual(whole.slice(0, complete))
      }
    },
  )

  it('does not fail on a broken line, and invents no port or address', async () => {
    const random = seeded(1)
    const good = [HEADING, ...ADDRESSES.map(([address]) => tcpLine({ local: [address, 80] })), unixLine({ path: '/x' })]
    const proc = await fakeProc({})
    const wrong = new Set<unknown>()
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(`${good.join('\n')}\n`)
      for (let change = 0; change < 20; change++) bytes[random(bytes.length)] = random(256)
      for (const file of ['tcp', 'udp6', 'unix']) await writeFile(join(proc, 'self/net', file), bytes)
      for (const { protocol, local, remote, inode } of await read({}, proc)) {
        const ends = protocol === 'unix' ? [] : [local, remote ?? local]
        if (protocol === 'unix' && typeof local !== 'string') wrong.add(local)
        for (const end of ends) if (!isAddress(end)) wrong.add(end)
        if (!Number.isInteger(inode ?? 1)) wrong.add(inode)
      }
    }
    expect([...wrong]).toEqual([])
  })

  it('has each socket once, even if the kernel lists it twice', async () => {
    // The kernel does this if another socket is closed or opened between two pages.
    const lines = [1, 2, 3, 2, 0, 0].map((inode) => tcpLine({ inode }))
    const proc = await fakeProc({ tcp: [HEADING, ...lines], udp: [HEADING, ...lines] })
    for (const protocol of ['tcp', 'udp'] as const) {
      const inodes = (await read({ protocol }, proc)).map(({ inode }) => inode)
      expect(inodes).toEqual([1, 2, 3, undefined, undefined])
    }
  })

  it.each([
    { what: 'ends at the first connection where Linux lists the listeners first', sockstat: [''], found: 2 },
    { what: 'is read to its end where listeners come in no order, as in gVisor', sockstat: undefined, found: 3 },
  ])('$what, if only listeners are wanted', async ({ sockstat, found }) => {
    const tables = {
      tcp: [HEADING, tcpLine({}), tcpLine({ state: '01' }), tcpLine({})],
      tcp6: [HEADING, tcpLine({ local: ['::1', 80] })],
      ...(sockstat && { sockstat }),
    }
    expect(await read({ state: 'LISTEN' }, await fakeProc(tables))).toHaveLength(found)
    expect(await read({ protocol: 'tcp' }, await fakeProc(tables))).toHaveLength(4)
  })

  it('leaves no file open if its reader stops early or fails', async (context) => {
    needsKernel(context)
    const proc = await fakeProc({ tcp: [HEADING, tcpLine({}), tcpLine({})], tcp6: [HEADING], udp: [HEADING] })
    const before = fs.readdirSync('/dev/fd').length
    await read({}, proc)
    for (const _ of linuxSockets({}, proc)) break
    linuxSockets({}, proc)
    await rm(join(proc, 'self/net/udp'))
    await mkdir(join(proc, 'self/net/udp'))
    await read({}, proc).catch(() => {})
    await rm(join(proc, 'self/net/tcp'))
    await mkdir(join(proc, 'self/net/tcp'))
    await read({}, proc).catch(() => {})
    expect(fs.readdirSync('/dev/fd').length).toBe(before)
  })
})

const linesOf = (table: ProcTable): string[] =>
  Array.from(table.pieces(), (piece) => piece.toString('latin1').split('\n').slice(0, -1)).flat()

describe('ProcTable', () => {
  it.each(
    [4096, 16_384, 65_536].flatMap((page) =>
      [
        { what: 'lines of one length', length: () => 150 },
        { what: 'short lines', length: (random: Random) => 1 + random(60) },
        { what: 'lines of any length', length: (random: Random) => 1 + random(400) },
        { what: 'lines as long as they may be', length: () => 511 },
      ].map((kind) => ({ page, ...kind })),
    ),
  )('reads $what to the end if the kernel fills pages of $page bytes', async ({ page, length }) => {
    const proc = await fakeProc({ tcp: [] })
    const random = seeded(page)
    let asked = seqFile([], page)
    vi.spyOn(fs, 'readSync').mockImplementation(((_fd, buffer: Buffer, offset: number, size: number) =>
      buffer.write(asked(size), offset, 'latin1')) as typeof fs.readSync)
    vi.spyOn(fs, 'read').mockImplementation(((...[, buffer, offset, size, , done]: unknown[]) => {
      const given = (buffer as Buffer).write(asked(size as number), offset as number, 'latin1')
      queueMicrotask(() => (done as (error: null, length: number) => void)(null, given))
    }) as unknown as typeof fs.read)
    syncBuiltinESMExports()
    onTestFinished(restoreFs)
    for (let count = 0; count < 1200; count += 1 + random(20)) {
      const listeners = random(3) === 0 ? 0 : random(count + 1)
      const lines = Array.from({ length: count }, (_, index) =>
        `${String(index).padStart(4)}: a b ${index <= listeners ? '0A' : '01'} `.padEnd(length(random), 'x'),
      )
      const records = [HEADING, ...lines].map((line) => `${line}\n`)
      for (const ahead of [false, true]) {
        asked = seqFile(records, page)
        const table = new ProcTable(join(proc, 'self/net/tcp'))
        if (ahead) await table.readAhead()
        expect(linesOf(table), `${count} lines`).toEqual([HEADING, ...lines])
      }
    }
  })

  it.each([0, 1, 149, 150, 151, 300, 3583, 3584, 4095, 4096, 4097, 65_535, 65_536, 65_537, 131_072, 200_000])(
    'reads a file of %i bytes to its end',
    async (size) => {
      const text = 'a line\n'.repeat(size / 7).padEnd(size, '\n')
      const proc = await fakeProc({ tcp: [text] })
      for (const ahead of [false, true]) {
        const table = new ProcTable(join(proc, 'self/net/tcp'))
        if (ahead) await table.readAhead()
        expect(linesOf(table)).toEqual(text.split('\n').slice(0, -1))
      }
    },
  )
})

describe('SocketHolders', () => {
  // Its /proc has links without a target.
  beforeEach((context) => needsKernel(context))

  const socket = (inode: number | undefined, state: SocketEntry['state'] = 'LISTEN') => ({ inode, state, uid: 1000 })

  it('finds any process by its descriptors', async () => {
    const proc = await fakeProc({})
    for (const [pid, inode] of [
      [1, 11],
      [process.pid + 1, 12],
      [4_194_304, 13],
    ] as const) {
      await addProcess(proc, pid, { fd: { 0: '/dev/null', 3: `socket:[${inode}]`, 4: 'pipe:[14]', 5: 'socket:[x]' } })
    }
    const holders = new SocketHolders(proc)
    for (const inode of [13, 11, 12, 13]) {
      const pid = { 11: 1, 12: process.pid + 1, 13: 4_194_304 }[inode]
      expect(holders.holderOf(socket(inode))).toEqual({ pid, program: 'program' })
    }
    expect(holders.holderOf(socket(14))).toMatchObject({
      hidden: expect.stringMatching(/is not visible from here/),
    })
  })

  it('ignores files and folders that are not processes', async () => {
    const proc = await fakeProc({ tcp: [] })
    for (const name of ['0', '-5', 'sys', 'self']) {
      await addProcess(proc, name, { fd: { 3: 'socket:[21]' } })
    }
    expect(new SocketHolders(proc).holderOf(socket(21)).pid).toBeUndefined()
  })

  it('says that a process may not be inspected', async () => {
    const proc = await fakeProc({})
    await addProcess(proc, 4711, { fd: 'no folder' })
    await addProcess(proc, 4712, { fd: { 3: 'socket:[31]' } })
    const holders = new SocketHolders(proc)
    expect(holders.holderOf(socket(31))).toMatchObject({ pid: 4712 })
    expect(holders.holderOf(socket(32))).toEqual({
      hidden: expect.stringMatching(/user 1000\b.* may not be inspected/),
    })
    expect(holders.holderOf({ ...socket(32), uid: undefined }).hidden).not.toContain('user')
  })

  it.each([
    { what: 'before it is looked at', left: {} },
    { what: 'between its descriptors and its name', left: { fd: { 3: 'socket:[41]' } } },
  ])('tolerates a process that exits $what', async ({ left }) => {
    const proc = await fakeProc({})
    await mkdir(join(proc, '4711'))
    await addProcess(proc, 4711, left)
    for (const name of ['cmdline', 'comm']) await rm(join(proc, '4711', name), { force: true })
    const { pid, program, hidden } = new SocketHolders(proc).holderOf(socket(41))
    expect({ pid, program }).toEqual({ pid: 'fd' in left ? 4711 : undefined, program: undefined })
    if (pid === undefined) expect(hidden).toMatch(/is not visible from here/)
  })

  it('searches again after it had no descriptor left', async () => {
    const proc = await fakeProc({})
    await addProcess(proc, 4711, { fd: { 3: 'socket:[61]' } })
    const holders = new SocketHolders(proc)
    const list = vi.spyOn(fs, 'readdirSync').mockImplementation(() => {
      throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' })
    })
    syncBuiltinESMExports()
    const ask = (): unknown => holders.holderOf(socket(61))
    try {
      expect(ask).toThrow(expect.objectContaining({ code: 'EMFILE' }))
    } finally {
      list.mockRestore()
      syncBuiltinESMExports()
    }
    expect(ask()).toMatchObject({ pid: 4711 })
  })

  it('finds no process without /proc', async () => {
    expect(new SocketHolders(join(await temporary(), 'none')).holderOf(socket(51))).toEqual({
      hidden: expect.stringMatching(/is not visible from here/),
    })
  })

  it.each([
    ['TIME_WAIT', /^no process has it any more: the kernel keeps it in TIME_WAIT$/],
    ['FIN_WAIT1', /^no process has it any more/],
    ['FIN_WAIT2', /^no process has it any more/],
    ['LAST_ACK', /^no process has it any more/],
    ['CLOSING', /^no process has it any more/],
    ['SYN_RECV', /^no process has it yet: its handshake/],
    ['ESTABLISHED', /^no process has it yet: /],
    ['CLOSE_WAIT', /^no process has it yet: /],
  ] as const)('says why a socket in %s without an inode has no process', (state, why) => {
    expect(new SocketHolders().holderOf(socket(undefined, state))).toEqual({ hidden: expect.stringMatching(why) })
  })

  it.each([
    { cmdline: '/usr/bin/node\0server.js\0', program: 'node' },
    { cmdline: 'node\0--eval\0/a/b\0', program: 'node' },
    { cmdline: './bin/server\0', program: 'server' },
    { cmdline: '../server\0', program: 'server' },
    { cmdline: 'bin/server\0', program: 'bin/server' },
    { cmdline: 'my title\0', program: 'my title' },
    {
      cmdline: 'nginx: master process /usr/sbin/nginx -g daemon off;\0',
      program: 'nginx: master process /usr/sbin/nginx -g daemon off;',
    },
    {
      cmdline: 'sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups\0',
      program: 'sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups',
    },
    { cmdline: '/opt/google/chrome/chrome --type=renderer --profile=/home/me/profile', program: 'chrome' },
    { cmdline: '/opt/My App/my app\0--flag\0', program: 'my app' },
    { cmdline: '/opt/my -dir/prog\0serve\0', program: 'prog' },
    { cmdline: '/opt/bücher\0', program: 'bücher' },
    { cmdline: '', comm: 'kworker/0:1\n', program: 'kworker/0:1' },
    { cmdline: '\0', comm: 'zombie\n', program: 'zombie' },
    { cmdline: '  \0', comm: 'blank\n', program: 'blank' },
    { cmdline: '/\0', comm: 'root\n', program: 'root' },
    { cmdline: '', comm: '', program: undefined },
  ])('calls $cmdline $program', async ({ cmdline, comm = 'comm', program }) => {
    const proc = await fakeProc({})
    await addProcess(proc, 4711, { cmdline, comm })
    expect(programOf(4711, proc)).toBe(program)
  })
})

/** Addresses as the kernel prints them in the byte order of this machine, and their meaning. */
const ADDRESSES = [
  ['127.0.0.1', '127.0.0.1'],
  ['0.0.0.0', '0.0.0.0'],
  ['255.255.255.255', '255.255.255.255'],
  ['1.2.3.4', '1.2.3.4'],
  ['::', '::'],
  ['::1', '::1'],
  ['fe80::1234:5678:9abc:def0', 'fe80::1234:5678:9abc:def0'],
  ['2001:db8::1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ['::ffff:1.2.3.4', '1.2.3.4'],
  ['::ffff:0.0.0.0', '0.0.0.0'],
  ['64:ff9b::102:304', '64:ff9b::102:304'],
  ['::fffe:102:304', '::fffe:102:304'],
] as const

const HEADING =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'.padEnd(149)
const UNIX_HEADING = 'Num       RefCount Protocol Flags    Type St Inode Path'

/** Each socket has another inode. */
let lastInode = 10_000

interface Line {
  local?: readonly [string, number]
  remote?: readonly [string, number]
  state?: string
  queues?: string
  uid?: number
  inode?: number
}

/** tcp4_seq_show() in net/ipv4/tcp_ipv4.c. */
function tcpLine({
  local = ['127.0.0.1', 80],
  remote = ['0.0.0.0', 0],
  state = '0A',
  queues = '00000000:00000000',
  uid = 1000,
  inode = ++lastInode,
}: Line): string {
  const end = ([address, port]: readonly [string, number]) =>
    `${wordsOf(address)}:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const numbers = `${String(uid).padStart(5)} ${'0'.padStart(8)} ${inode} 1 0000000000000000 100 0 0 10 0`
  return `   0: ${end(local)} ${end(remote)} ${state} ${queues} 00:00000000 00000000 ${numbers}`.padEnd(149)
}

/** unix_seq_show() in net/unix/af_unix.c. */
function unixLine({
  flags = '00000000',
  state = '03',
  inode = ++lastInode,
  path = '',
}: Record<string, string | number>) {
  const end = path === '' ? '' : ` ${path}`
  return `0000000000000000: 00000002 00000000 ${flags} 0001 ${state} ${String(inode).padStart(5)}${end}`
}

/** An address as 32-bit words in the byte order of this machine. */
function wordsOf(address: string): string {
  if (net.isIPv4(address)) {
    const bytes = Buffer.from(address.split('.').map(Number))
    return words(bytes)
  }
  const [, mapped] = /^::ffff:(\d.*\..*)$/.exec(address) ?? []
  if (mapped !== undefined) return `${words(Buffer.from('00000000000000000000ffff', 'hex'))}${wordsOf(mapped)}`
  const [head = '', tail] = address.split('::')
  const before = head.split(':').filter(Boolean)
  const after = (tail ?? '').split(':').filter(Boolean)
  const groups = [...before, ...Array(8 - before.length - after.length).fill('0'), ...after]
  return words(Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex'))
}

function words(bytes: Buffer): string {
  const little = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
  return (little ? bytes.swap32() : bytes).toString('hex').toUpperCase()
}

/** A folder in the shape of /proc, with these tables. */
async function fakeProc(tables: Partial<Record<string, readonly string[]>>): Promise<string> {
  const proc = await temporary()
  await mkdir(join(proc, 'self/net'), { recursive: true })
  for (const [file, lines] of Object.entries({ tcp: [''], ...tables })) {
    const text = (lines ?? []).join('\n')
    await writeFile(join(proc, 'self/net', file), text.endsWith('\n') || text === '' ? text : `${text}\n`)
  }
  return proc
}

interface FakeProcess {
  fd?: string | Readonly<Record<number, string>>
  cmdline?: string
  comm?: string
}

async function addProcess(
  proc: string,
  pid: number | string,
  { fd, cmdline = '/usr/bin/program\0', comm = 'comm\n' }: FakeProcess,
): Promise<void> {
  const directory = join(proc, String(pid))
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, 'cmdline'), cmdline)
  await writeFile(join(directory, 'comm'), comm)
  // Root ignores the mode of a directory, but even root cannot list a file.
  if (typeof fd === 'string') await writeFile(join(directory, 'fd'), fd)
  if (typeof fd !== 'object') return
  await mkdir(join(directory, 'fd'))
  for (const [name, target] of Object.entries(fd)) await symlink(target, join(directory, 'fd', name))
}

async function temporary(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'portside-test-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

type Random = (below: number) => number

/** The same numbers every time (a linear congruential generator, Numerical Recipes §7.1). */
function seeded(seed: number): Random {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** The result of reads of a table: the rest of the previous record, then a page of whole records (seq_read_iter in fs/seq_file.c). */
function seqFile(records: readonly string[], page: number): (size: number) => string {
  let next = 0
  let left = ''
  return (size) => {
    const given = left.slice(0, size)
    left = left.slice(size)
    if (left !== '' || next === records.length) return given
    let filled = records[next++] as string
    for (;;) {
      const record = records[next]
      if (record === undefined || filled.length >= size - given.length || filled.length + record.length >= page) break
      filled += record
      next++
    }
    left = filled.slice(size - given.length)
    return given + filled.slice(0, size - given.length)
  }
}

function restoreFs(): void {
  vi.restoreAllMocks()
  syncBuiltinESMExports()
}

const UNIX = {
  protocol: 'unix',
  remote: undefined,
  inode: expect.any(Number),
  uid: undefined,
  receiveQueue: undefined,
  sendQueue: undefined,
}

/** All members of an entry, by name. */
function plain(entry: SocketEntry): SocketEntry {
  const { protocol, state, local, remote, inode, uid, receiveQueue, sendQueue, pid, program, hidden } = entry
  return { protocol, state, local, remote, inode, uid, receiveQueue, sendQueue, pid, program, hidden }
}

function withoutHolder({ protocol, state, local, remote, inode, uid }: SocketEntry) {
  return { protocol, state, local, remote, inode, uid }
}

const ownInodes = (): Set<number> => new Set(openSockets().map(({ inode }) => inode))

/** The sockets of this process: others may have the same port on another address or to another peer. */
async function readOwn(filter: SocketFilter): Promise<SocketEntry[]> {
  const own = ownInodes()
  return (await readSocketTable(filter)).filter(({ inode }) => inode !== undefined && own.has(inode))
}

const byState = (one: SocketEntry, other: SocketEntry): number => one.state.localeCompare(other.state)
const portOf = (end: SocketEntry['remote'] | string): number | undefined =>
  typeof end === 'object' ? end.port : undefined
const addressOf = (end: SocketEntry['local']): string => (typeof end === 'object' ? end.address : end)
const isAddress = (end: unknown): boolean => {
  const { address, port, family } = end as { address: string; port: number; family: string }
  return family === `IPv${net.isIP(address)}` && Number.isInteger(port) && port >= 0 && port < 65_536
}

/** Node 20 pads an abstract name with NULs, which the kernel prints as @. */
const named = (local: SocketEntry['local']): string => String(local).replace(/@+$/, '')

/**
 * If sockets were opened meanwhile, a reader that reads a table to its end gets the last lines again. The kernel starts to count
 * again (tcp_seq_start in net/ipv4/tcp_ipv4.c).
 */
const unique = <T>(values: T[]): T[] => [...new Set(values)]

const line = ({ state, local, remote, inode }: Pick<TcpEntry, 'state' | 'local' | 'remote' | 'inode'>): string =>
  JSON.stringify([state, local, remote, inode], (key, value) => (key === 'family' ? undefined : value))

/** In the form of test/support/kernel.ts: without a peer it has the wildcard address. */
function lineOf({ state, local, remote, inode = 0 }: SocketEntry): string {
  const nobody = { address: net.isIPv6(addressOf(local)) ? '::' : '0.0.0.0', port: 0 }
  return line({ state, local: local as SocketAddress, remote: remote ?? nobody, inode })
}

/** The TCP sockets that ss(8) finds, or the reason why it fails. */
async function ss(...args: string[]): Promise<Array<{ inode: number }> | string> {
  try {
    const { stdout } = await promisify(execFile)('ss', ['-HOe', ...args], { maxBuffer: 1 << 26 })
    return stdout
      .trim()
      .split('\n')
      .map((row) => ({ inode: Number(/ ino:(\d+)/.exec(row)?.[1]) }))
  } catch (error) {
    return `ss cannot be run: ${(error as Error).message}`
  }
}

/** Polls synchronously, so that only the kernel continues. Returns the last answer in any case. */
function blockUntil<T>(ask: () => T, enough: (answer: T) => boolean): T {
  let answer = ask()
  for (let tries = 0; tries < 10_000 && !enough(answer); tries++) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    answer = ask()
  }
  return answer
}

/** A server of plain Node whose connections read nothing. */
async function serve(options: net.ListenOptions) {
  const accepted: net.Socket[] = []
  const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    accepted.push(socket.on('error', () => {}))
  })
  await once(server.listen('path' in options ? options : { port: 0, ...options }), 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? (address as net.AddressInfo).port : 0
  return {
    server,
    port,
    accepted,
    async [Symbol.asyncDispose]() {
      if (!server.listening) return
      await Promise.all(accepted.map(reset))
      await once(server.close(), 'close')
    },
  }
}

const addressAndPort = (server: net.Server, port: number): net.TcpNetConnectOpts => ({
  host: (server.address() as net.AddressInfo).address,
  port,
})

async function dial(options: net.NetConnectOpts) {
  const socket = net.connect({ allowHalfOpen: true, ...options } as net.NetConnectOpts).on('error', () => {})
  await once(socket, 'connect')
  return { socket, port: socket.localPort as number, [Symbol.asyncDispose]: () => reset(socket) }
}

/** Closes it without a TIME_WAIT. */
async function reset(socket: net.Socket): Promise<void> {
  if (socket.closed) return
  const closed = new Promise((resolve) => void socket.once('close', resolve))
  socket.on('error', () => {})
  if (socket.localPort === undefined) socket.destroy()
  else socket.resetAndDestroy()
  await closed
}

async function bindUdp(family: 'IPv4' | 'IPv6') {
  const socket = dgram.createSocket(family === 'IPv4' ? 'udp4' : 'udp6')
  await once(socket.bind(0, LOOPBACK[family]), 'listening')
  return {
    socket,
    port: socket.address().port,
    async connect(port: number) {
      socket.connect(port, LOOPBACK[family])
      await once(socket, 'connect')
    },
    async [Symbol.asyncDispose]() {
      socket.close()
      await once(socket, 'close')
    },
  }
}

const fdOf = (server: net.Server): number => (server as unknown as { _handle: { fd: number } })._handle.fd

/** A Node program that prints one line and runs until its disposal. */
async function runNode(code: string, ...descriptors: number[]) {
  const child = spawn(process.execPath, ['--eval', `${code}\nsetInterval(() => {}, 60_000)`], {
    stdio: ['ignore', 'pipe', 'inherit', ...descriptors],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [said] = await once(child.stdout as NodeJS.ReadableStream, 'data')
  return {
    pid: child.pid,
    said: String(said).trim(),
    async [Symbol.asyncDispose]() {
      child.kill()
      await once(child, 'close')
    },
  }
}
