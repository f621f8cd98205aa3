import { execFileSync } from 'node:child_process'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  assertAddressInUse,
  assertAddressNotAvailable,
  assertEphemeralPortsExhausted,
  assertReleased,
  explainSocketError,
  findOwners,
  listenTcp,
  listenUdp,
  listenUnix,
  loopbackFamilies,
  reservePort,
} from '../../src/index.js'
import { formatEndpoint } from '../../src/loopback/endpoint.js'
import { errorOf, leaveFileBehind, listenAt, listenOn } from '../assertions/situations.js'
import { HERE, HERE_FAMILY, HERE_IN_URL, UDP_HERE } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { runInNamespace, whyNoNamespace } from '../support/namespace.js'
import { runAsNobody, whyNotNobody } from '../support/nobody.js'
import { node } from '../support/program.js'

// Errors that look alike, but have different causes and hints.

leavesNothingOpen()

const isLinux = process.platform === 'linux'
const isDual = loopbackFamilies().length === 2
const THIS = `this process (pid ${process.pid})`

describe('a local port that already has a connection to the peer', () => {
  it.runIf(isLinux)('is not an exhaustion, and the message names the connection', async () => {
    await using local = await reservePort()
    await using server = await listenTcp((socket) => void socket.resume())
    const { address: host, port } = server
    const localPort = local.port
    await local.release()
    const first = net.connect({ port, host, localPort })
    await once(first, 'connect')
    const error = await errorOf(net.connect({ port, host, localPort }))
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', syscall: 'connect' })
    await expect(assertEphemeralPortsExhausted(error)).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_ASSERTION',
      because: `local port ${localPort} already has a connection to ${formatEndpoint(server)}, open or in TIME_WAIT`,
      owners: [{ thisProcess: true, state: 'ESTABLISHED' }],
      next: expect.stringContaining('leave localPort out'),
    })
    await expect(assertAddressNotAvailable(error)).resolves.toBe(error)
    first.destroy()
    await once(first, 'close')
  })

  it('is recognized if the kernel picked it and had only TIME_WAIT left', (context) => {
    if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
    const code = `
      import net from 'node:net'
      import { once } from 'node:events'
      const { assertEphemeralPortsExhausted, assertAddressNotAvailable } = await import(process.env.PORTSIDE)
      const server = net.createServer((socket) => socket.on('error', () => {}).resume()).listen(5000, '${HERE}')
      await once(server, 'listening')
      const dial = () => net.connect({ port: 5000, host: '${HERE}', localAddress: '${HERE}' })
      const codes = new Set()
      for (let attempts = 0; attempts < 40; attempts++) {
        const socket = dial()
        const error = await once(socket, 'connect').then(() => undefined, (reason) => reason)
        if (error !== undefined) {
          const verdicts = [assertEphemeralPortsExhausted, assertAddressNotAvailable]
            .map((assert) => assert(error).then(() => 'passes', () => 'fails'))
          codes.add((await Promise.all(verdicts)).join())
        }
        socket.end()
        if (error === undefined) await once(socket.resume(), 'close')
      }
      console.log(JSON.stringify([...codes]))
      process.exit()`
    expect(runInNamespace('echo 40000 40003 > /proc/sys/net/ipv4/ip_local_port_range', code).trim()).toBe(
      '["passes,fails"]',
    )
  })
})

describe('a port that is a string', () => {
  it('counts as a port', async () => {
    await using server = await listenUdp()
    const second = dgram.createSocket(UDP_HERE)
    second.bind(String(server.port) as unknown as number, server.address)
    const error = await errorOf(second)
    second.close()
    expect(error).toMatchObject({ code: 'EADDRINUSE', port: String(server.port) })
    await expect(assertAddressInUse(error, server.endpoint)).resolves.toBe(error)
    await expect(assertEphemeralPortsExhausted(error)).rejects.toMatchObject({ code: 'ERR_PORTSIDE_ASSERTION' })
  })
})

describe('TCP and UDP ports with the same number', () => {
  it.runIf(isLinux)('have separate owners', async () => {
    await using reservation = await reservePort({ family: HERE_FAMILY, protocol: 'both' })
    await using server = await listenTcp(undefined, { port: reservation })
    await using _udp = await listenUdp(undefined, { port: reservation })
    const place = { port: server.port, address: server.address, exclusive: true }
    const datagrams = dgram.createSocket(UDP_HERE).bind(place)
    const ofDatagrams = await explainSocketError(await errorOf(datagrams))
    datagrams.close()
    expect(ofDatagrams.owners.map(({ protocol }) => protocol)).toEqual(['udp'])
    const ofConnections = await explainSocketError(await errorOf(listenAt(server)))
    expect(ofConnections.owners.map(({ protocol }) => protocol)).toEqual(['tcp'])
  })

  it('are released separately', async () => {
    await using reservation = await reservePort({ family: HERE_FAMILY, protocol: 'both' })
    await using udp = await listenUdp(undefined, { port: reservation })
    const { address, port } = udp
    await assertReleased({ address, port })
    await expect(assertReleased({ address, port }, { protocol: 'udp' })).rejects.toMatchObject({
      actual: expect.stringContaining('EADDRINUSE'),
    })
    await expect(assertReleased({ address, port }, { protocol: 'sctp' as 'udp' })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
    })
  })
})

describe.runIf(process.platform !== 'win32')('a path', () => {
  it.runIf(isLinux)('has the same owner in every spelling', async () => {
    const directory = await temporary()
    const path = join(directory, 'here', 's.sock')
    await mkdir(join(directory, 'here'))
    await symlink(join(directory, 'here'), join(directory, 'there'))
    await symlink(path, join(directory, 'other.sock'))
    await using _server = await listenUnix(undefined, { path })
    const ways = [path, relative('.', path), join(directory, 'there', 's.sock'), join(directory, 'other.sock')]
    for (const way of ways) {
      expect(await findOwners({ path: way })).toMatchObject([{ thisProcess: true, state: 'LISTEN', local: path }])
      const explanation = await explainSocketError(await errorOf(listenOn(way)))
      expect(explanation.cause).toBe(`${THIS} listens on ${path}`)
    }
    expect(await findOwners({ path: join(directory, 's.sock') })).toEqual([])
  })

  it.runIf(isLinux)('has an owner that bound it relative to its own directory', async () => {
    const directory = await temporary()
    const path = relative('.', join(directory, 's.sock'))
    const server = listenOn(path)
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    expect(await findOwners({ path: join(directory, 's.sock') })).toMatchObject([{ thisProcess: true, local: path }])
    server.close()
    await once(server, 'close')
  })

  it.each(['file', 'directory'])('with a %s gets no hint to remove it', async (kind) => {
    const path = join(await temporary(), 'it')
    await (kind === 'file' ? writeFile(path, 'precious') : mkdir(path))
    const { cause, hints } = await explainSocketError(await errorOf(listenOn(path)))
    expect(cause).toBe(`there is a ${kind} at this path, not a socket`)
    expect(hints.join()).not.toContain('remove')
    await expect(assertReleased({ path })).rejects.toMatchObject({
      actual: `a ${kind} at this path, not a socket`,
      next: expect.not.stringContaining('remove'),
    })
    const dialled = await explainSocketError(await errorOf(net.connect(path)))
    expect(dialled.cause).not.toContain('its server is gone')
  })

  it.runIf(isLinux)('without a listener here may belong to another network', async () => {
    await using stale = await leaveFileBehind()
    const { cause, hints } = await explainSocketError(await errorOf(listenOn(stale.path)))
    expect(cause).toContain('a killed server left the file behind, or')
    expect(hints[0]).toContain('if nothing else uses it')
  })

  it('in an unreadable directory is not reported as missing', async (context) => {
    if (whyNotNobody !== undefined) context.skip(whyNotNobody)
    const directory = await temporary()
    await mkdir(join(directory, 'locked', 'inner'), { recursive: true, mode: 0o700 })
    const seen = runAsNobody(`
      const failed = (path) =>
        portside.explainSocketError(
          Object.assign(new Error('no'), { code: 'EACCES', syscall: 'listen', address: path, port: -1 }),
        )
      const paths = ${JSON.stringify(['locked/inner/s.sock', 'none/s.sock'].map((path) => join(directory, path)))}
      console.log(JSON.stringify(await Promise.all(paths.map(async (path) => (await failed(path)).cause))))`)
    const [locked, none] = JSON.parse(seen)
    expect(locked).toContain('the mode of the file, or of a directory above it')
    expect(none).toMatch(/there is no directory|the mode/)
  })
})

describe.runIf(isLinux)('a listener on another address', () => {
  it.runIf(isDual)('is reported if the listener accepts IPv6 only', async () => {
    const server = net.createServer().listen({ port: 0, host: '::', ipv6Only: true })
    await once(server, 'listening')
    const { port } = server.address() as net.AddressInfo
    const explanation = await explainSocketError(await errorOf(net.connect(port, HERE)))
    server.close()
    await once(server, 'close')
    expect(explanation.cause).toBe(
      'you tried 127.0.0.1, the listener is on ::, and does not accept IPv4 (ipv6Only), or started later',
    )
    expect(explanation.owners).toMatchObject([{ thisProcess: true, local: { address: '::' } }])
    expect(explanation.hints[0]).toContain(`connect to [::1]:${port}`)
  })

  it.runIf(isDual)('is named, and the hint has the loopback address of its wildcard', async () => {
    await using reservation = await reservePort({ host: '0.0.0.0' })
    await using server = await listenTcp(undefined, { port: reservation, host: '0.0.0.0' })
    const { hints, owners } = await explainSocketError(await errorOf(net.connect(server.port, '::1')))
    expect(hints[0]).toContain(`connect to ${HERE_IN_URL}:${server.port}`)
    expect(owners).toMatchObject([{ thisProcess: true, local: { address: '0.0.0.0', port: server.port } }])
  })

  it('is not named if another host refuses', async () => {
    await using server = await listenTcp()
    const { port } = server
    const message = `connect ECONNREFUSED 192.0.2.7:${port}`
    const error = Object.assign(new Error(message), {
      code: 'ECONNREFUSED',
      syscall: 'connect',
      address: '192.0.2.7',
      port,
    })
    const { cause, owners } = await explainSocketError(error)
    expect(cause).not.toContain('you tried')
    expect(owners).toEqual([])
  })
})

describe('a failed lookup', () => {
  it.runIf(isLinux)('is not reported as no owner', () => {
    const code = `
      import { closeSync, openSync } from 'node:fs'
      import { once } from 'node:events'
      import net from 'node:net'
      const { explainSocketError } = await import(process.env.PORTSIDE)
      const server = net.createServer().listen(0, '${HERE}')
      await once(server, 'listening')
      const { address, port } = server.address()
      const error = Object.assign(new Error('no'), { code: 'EADDRINUSE', syscall: 'listen', address, port })
      const lost = Object.assign(new Error('no'), { code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname: 'localhost' })
      const open = []
      try { for (;;) open.push(openSync('/dev/null')) } catch {}
      const seen = [await explainSocketError(error), await explainSocketError(lost)]
      for (const descriptor of open) closeSync(descriptor)
      console.log(JSON.stringify([...seen, await explainSocketError(lost)].map(({ cause, hints }) => cause + ' ' + hints[0])))
      process.exit()`
    const [held, lost, found] = JSON.parse(
      execFileSync('sh', ['-c', 'ulimit -n 256; exec "$@"', 'sh', ...node(code)], { encoding: 'utf8' }),
    )
    expect(held).not.toContain('no process has it')
    expect(held).toContain('another socket has it')
    expect(lost).toContain('this process has no descriptor left')
    expect(found).not.toContain('no descriptor')
  })

  it('counts reserved ports, and uses the singular for one', (context) => {
    if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
    const code = `
      import net from 'node:net'
      import { once } from 'node:events'
      const { explainSocketError } = await import(process.env.PORTSIDE)
      const open = []
      for (;;) {
        const server = net.createServer().listen(0, '${HERE}')
        open.push(server)
        const error = await once(server, 'listening').then(() => undefined, (reason) => reason)
        if (error === undefined) continue
        console.log((await explainSocketError(error)).cause)
        process.exit()
      }`
    const setUp = `cd /proc/sys/net/ipv4 && echo 42000 42003 > ip_local_port_range && echo 42000-42002 > ip_local_reserved_ports && cd ${process.cwd()}`
    expect(runInNamespace(setUp, code).trim()).toBe(
      'the ephemeral range, 42000 to 42003, has no port left for it: of 4, 1 is in use, 3 reserved (net.ipv4.ip_local_reserved_ports) and 0 in TIME_WAIT',
    )
  })
})

it('names the route first for EINVAL of a connect, and the socket for a bind', async () => {
  const of = (syscall: string) =>
    explainSocketError(Object.assign(new Error('no'), { code: 'EINVAL', syscall, address: '192.0.2.1', port: 80 }))
  expect((await of('connect')).hints[0]).toContain('ip route get')
  expect((await of('bind')).hints[0]).toContain('new socket')
})

async function temporary(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'portside-test-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  return directory
}
