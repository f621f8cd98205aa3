import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NetworkHost } from '../../src/namespaces/linked-host.js'
import { createNetwork, type NetworkOptions, type PrivateNetwork } from '../../src/namespaces/network.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { whyNoNamespace } from '../support/namespace.js'
import { runAs, USERS } from '../support/users.js'

leavesNothingOpen()

/** A server on an address and port. It prints that it listens, a line for each connection, and received text that ends in a dot. */
const SERVE = `
const [address, port] = process.argv.slice(1)
require('node:net').createServer((socket) => {
  let length = 0
  socket.on('error', () => {}).on('data', (chunk) => {
    length += chunk.length
    if (chunk.at(-1) === 46) socket.write(JSON.stringify({ length, at: socket.localAddress, from: socket.remoteAddress }))
  })
}).listen(port, address, () => console.log('listening'))`

/** Sends a number of bytes, and prints the answer, the code of the error, or 'silence' after a while. */
const DIAL = `
const [host, port, length, patience] = process.argv.slice(1)
const socket = require('node:net').connect({ host, port: Number(port), autoSelectFamily: false })
const say = (what) => { console.log(JSON.stringify(what)); socket.destroy() }
socket.setTimeout(Number(patience), () => say({ silence: socket.connecting ? 'to the connect' : 'to the bytes' }))
socket.on('error', ({ code }) => say({ code })).on('connect', () => socket.write('.'.padStart(Number(length), 'x'))).on('data', (answer) => say(JSON.parse(answer)))`

async function serve(host: NetworkHost, address: string, port: number): Promise<ChildProcess> {
  const child = host.spawn(process.execPath, ['-e', SERVE, address, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout!, 'data')
  return child
}

async function dial(
  from: NetworkHost,
  to: string,
  port: number,
  { length = 10, patience = 20_000 } = {},
): Promise<unknown> {
  const args = ['-e', DIAL, to, String(port), String(length), String(patience)]
  const child = from.spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  return JSON.parse(await text(child.stdout!))
}

/** More than all buffers on the way. */
const LARGE = 100_000

describe.skipIf(whyNoNamespace !== undefined)(`createNetwork (${whyNoNamespace ?? 'possible here'})`, () => {
  let network: PrivateNetwork
  let [a, b, c, d]: NetworkHost[] = []

  beforeAll(async () => {
    const hosts = {
      a: {},
      b: {},
      c: { ipv4: false },
      d: { ipv6: false, mtu: 1000, routes: { default: 'prohibit' } },
    } as const
    network = await createNetwork({ hosts })
    ;[a, b, c, d] = network.hosts as NetworkHost[]
    await Promise.all([
      serve(b!, '127.0.0.1', 7001),
      serve(b!, '0.0.0.0', 7002),
      serve(b!, '::', 7003),
      serve(d!, '0.0.0.0', 7004),
    ])
  })
  afterAll(() => network.close())

  it('gives each host an address of each of its families', () => {
    expect(network.hosts.map(({ name, address, addresses }) => ({ name, address, addresses }))).toEqual([
      { name: 'a', address: '10.0.0.1', addresses: { IPv4: '10.0.0.1', IPv6: 'fd00::1' } },
      { name: 'b', address: '10.0.0.2', addresses: { IPv4: '10.0.0.2', IPv6: 'fd00::2' } },
      { name: 'c', address: 'fd00::3', addresses: { IPv6: 'fd00::3' } },
      { name: 'd', address: '10.0.0.4', addresses: { IPv4: '10.0.0.4' } },
    ])
    expect(network.host('b')).toBe(b)
  })

  it('hides a listener on 127.0.0.1 from other hosts, and not from its own', async () => {
    expect(await dial(a!, b!.address, 7001)).toEqual({ code: 'ECONNREFUSED' })
    expect(await dial(a!, '127.0.0.1', 7001)).toEqual({ code: 'ECONNREFUSED' })
    expect(await dial(b!, '127.0.0.1', 7001)).toMatchObject({ at: '127.0.0.1', from: '127.0.0.1' })
  })

  it('shows a listener on a wildcard to other hosts, at the address of each host', async () => {
    expect(await dial(a!, '10.0.0.2', 7002)).toEqual({ length: 10, at: '10.0.0.2', from: '10.0.0.1' })
    expect(await dial(b!, '127.0.0.1', 7002)).toEqual({ length: 10, at: '127.0.0.1', from: '127.0.0.1' })
    expect(await dial(a!, 'fd00::2', 7003)).toEqual({ length: 10, at: 'fd00::2', from: 'fd00::1' })
    expect(await dial(c!, 'fd00::2', 7003)).toMatchObject({ from: 'fd00::3' })
    expect(await dial(d!, '10.0.0.2', 7003)).toMatchObject({ at: '::ffff:10.0.0.2', from: '::ffff:10.0.0.4' })
  })

  it('knows its hosts by name', async () => {
    expect(await dial(d!, 'b', 7002)).toMatchObject({ at: '10.0.0.2' })
    expect(await dial(c!, 'b', 7003)).toMatchObject({ at: 'fd00::2' })
    expect(await dial(b!, 'b', 7003)).toMatchObject({ from: 'fd00::2' })
  })

  it('ends at its router, which answers ENETUNREACH; a route of the profile comes first', async () => {
    expect(await dial(a!, '192.0.2.1', 9)).toEqual({ code: 'ENETUNREACH' })
    expect(await dial(a!, '2001:db8::1', 9)).toEqual({ code: 'ENETUNREACH' })
    expect(await dial(d!, '192.0.2.1', 9)).toEqual({ code: 'EACCES' })
    expect(await dial(d!, 'fd00::2', 9)).toMatchObject({ code: expect.stringMatching(/^(EADDRNOTAVAIL|ENETUNREACH)$/) })
    expect(await dial(c!, '10.0.0.2', 9)).toEqual({ code: 'ENETUNREACH' })
  })

  it('fails with EHOSTUNREACH for an unused address of the link', async () => {
    // The kernel asks for the address three times, a second apart (arp(7)).
    const code = "require('node:net').connect(9, '10.0.0.99').on('error', ({ code }) => console.log(code))"
    const child = a!.spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    expect((await text(child.stdout!)).trim()).toBe('EHOSTUNREACH')
  })

  it('passes large writes to a host with a small MTU, because each end announces its own', async () => {
    expect(await dial(a!, b!.address, 7002, { length: LARGE })).toMatchObject({ length: LARGE })
    expect(await dial(d!, b!.address, 7002, { length: LARGE })).toMatchObject({ length: LARGE })
    expect(await dial(a!, d!.address, 7004, { length: LARGE })).toMatchObject({ length: LARGE })
  })

  it('passes nothing between two cut hosts until heal()', async () => {
    await network.cut('a', 'b')
    await network.cut('b', 'a')
    expect(await dial(a!, '10.0.0.2', 7002, { patience: 1000 })).toEqual({ silence: 'to the connect' })
    expect(await dial(a!, 'fd00::2', 7003, { patience: 1000 })).toEqual({ silence: 'to the connect' })
    expect(await dial(c!, 'fd00::2', 7003)).toMatchObject({ from: 'fd00::3' })
    await network.heal()
    await network.heal('a', 'b')
    expect(await dial(a!, '10.0.0.2', 7002)).toMatchObject({ length: 10 })
    expect(await dial(a!, 'fd00::2', 7003)).toMatchObject({ length: 10 })
  })

  it('heals one pair, or all cuts of one host', async () => {
    await Promise.all([network.cut('a', 'b'), network.cut('a', 'd'), network.cut('b', 'd')])
    await network.heal('a', 'd')
    await network.heal('b')
    expect(await dial(a!, '10.0.0.2', 7002)).toMatchObject({ from: '10.0.0.1' })
    expect(await dial(d!, '10.0.0.2', 7002)).toMatchObject({ from: '10.0.0.4' })
  })

  it('continues a cut connection after heal()', async () => {
    const code = `
      const socket = require('node:net').connect(7002, '10.0.0.2', () => process.send('connected'))
      process.on('message', () => { socket.write('.'); process.send('written') })
      socket.on('data', () => { process.send('answered'); process.disconnect(); socket.destroy() })`
    const child = a!.spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    expect((await once(child, 'message'))[0]).toBe('connected')
    await network.cut('a', 'b')
    child.send('write')
    expect((await once(child, 'message'))[0]).toBe('written')
    // An answer of b to another message has arrived before, and nothing of this one.
    expect(await dial(d!, '10.0.0.2', 7002)).toMatchObject({ length: 10 })
    const answered = once(child, 'message')
    await network.heal('a', 'b')
    expect((await answered)[0]).toBe('answered')
    await once(child, 'close')
  })

  it('rejects unknown hosts, and a cut of one host', async () => {
    const code = 'ERR_INVALID_ARG_VALUE'
    expect(() => network.host('e')).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining('one of a, b, c, d') }),
    )
    await expect(network.cut('a', 'e')).rejects.toMatchObject({ code })
    await expect(network.cut('a', 'a')).rejects.toMatchObject({ code })
    await expect(network.heal('e')).rejects.toMatchObject({ code })
  })

  it.each<[unknown, string]>([
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [{}, 'ERR_INVALID_ARG_TYPE'],
    [{ hosts: {} }, 'ERR_OUT_OF_RANGE'],
    [{ hosts: { a: { ports: 1 } } }, 'ERR_PORTSIDE_UNKNOWN_OPTION'],
    [{ hosts: { 'a b': {} } }, 'ERR_INVALID_ARG_VALUE'],
    [{ hosts: { localhost: {} } }, 'ERR_INVALID_ARG_VALUE'],
    [{ hosts: { '-a': {} } }, 'ERR_INVALID_ARG_VALUE'],
    [{ hosts: { a: {} }, mtu: 1000 }, 'ERR_OUT_OF_RANGE'],
    [{ hosts: { a: {} }, signal: AbortSignal.abort() }, 'ABORT_ERR'],
  ])('rejects %j with %s', async (options, code) => {
    await expect(createNetwork(options as NetworkOptions)).rejects.toMatchObject({ code })
  })
})

describe.skipIf(whyNoNamespace !== undefined)(
  `a network with a narrow link (${whyNoNamespace ?? 'possible here'})`,
  () => {
    it('passes small writes, and drops large ones', async () => {
      await using network = await createNetwork({ hosts: { a: {}, b: {} }, mtu: 1400 })
      const [a, b] = network.hosts as [NetworkHost, NetworkHost]
      await serve(b, '::', 7001)
      for (const to of ['10.0.0.2', 'fd00::2']) {
        expect(await dial(a, to, 7001, { length: 1000 })).toMatchObject({ length: 1000 })
        expect(await dial(a, to, 7001, { length: LARGE, patience: 1000 })).toEqual({ silence: 'to the bytes' })
      }
    })

    it('passes large writes if a host knows the MTU', async () => {
      await using network = await createNetwork({ hosts: { a: { mtu: 1400 }, b: {} }, mtu: 1400 })
      const [a, b] = network.hosts as [NetworkHost, NetworkHost]
      await serve(b, '::', 7001)
      expect(await dial(a, '10.0.0.2', 7001, { length: LARGE })).toMatchObject({ length: LARGE })
    })
  },
)

describe.skipIf(whyNoNamespace !== undefined)(`a closed network (${whyNoNamespace ?? 'possible here'})`, () => {
  it('has ended its programs, and does not start others', async () => {
    const network = await createNetwork({ hosts: { a: {} } })
    const child = network.host('a').spawn('sleep', ['1000'], { stdio: 'ignore' })
    const ended = once(child, 'exit')
    await Promise.all([network.close(), network.close()])
    expect(await ended).toEqual([null, 'SIGKILL'])
    expect(() => network.host('a').spawn('true')).toThrow(
      expect.objectContaining({ code: 'ERR_PORTSIDE_NAMESPACE', message: expect.stringContaining('is closed') }),
    )
    await expect(network.cut('a', 'a')).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
  })

  it('throws if a command cannot be run', async () => {
    await using network = await createNetwork({ hosts: { a: {} } })
    expect(() => network.host('a').spawn('no-such-program')).toThrow(expect.objectContaining({ code: 'ENOENT' }))
  })

  it.each(USERS)('works for $name', async (user) => {
    const said = await runAs<unknown[]>(
      user,
      `
      const { text } = await import('node:stream/consumers')
      const { once } = await import('node:events')
      const code = ${JSON.stringify(SERVE)}
      const results = []
      for (const root of [false, true]) {
        const network = await portside.createNetwork({ hosts: { a: {}, b: { ipv6: false } }, root })
        const server = network.host('b').spawn(process.execPath, ['-e', code, '0.0.0.0', '7001'], { stdio: ['ignore', 'pipe', 'inherit'] })
        await once(server.stdout, 'data')
        const child = network.host('a').spawn(process.execPath, ['-e', ${JSON.stringify(DIAL)}, 'b', '7001', '10', '20000'], { stdio: ['ignore', 'pipe', 'inherit'] })
        const id = network.host('a').spawn('id', ['-u'], { stdio: ['ignore', 'pipe', 'inherit'] })
        results.push(Number(await text(id.stdout)), JSON.parse(await text(child.stdout)).from)
        await network.cut('a', 'b')
        await network.close()
      }
      console.log(JSON.stringify(results))`,
    )
    const uid = user.become.length > 0 ? 1000 : process.getuid?.()
    expect(said).toEqual([uid, '10.0.0.1', 0, '10.0.0.1'])
  })
})
