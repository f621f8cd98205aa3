import dgram from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { runInThisContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import * as portside from '../../src/index.js'

const { createScope, findLeaks, listenTcp, namespaceSupport, reservePorts, snapshotSockets } = portside
const LINES = readFileSync(import.meta.filename, 'utf8').split('\n')

/** The functions of portside, or the methods of a scope. */
type Openers = Omit<portside.NetScope, 'close' | 'createSocketPool' | 'defer' | typeof Symbol.asyncDispose>
type Open = (from: Openers, port: portside.PortReservation) => Promise<AsyncDisposable>
type Opening = () => Promise<AsyncDisposable>

const target = { address: '127.0.0.1', port: 9 }
const node = process.execPath
/** Listens on its port, on its descriptor, or on a port that it picks. */
const program = `
  const server = require('node:net').createServer((socket) => socket.end())
  const { LISTEN_FDS, PORT = 0 } = process.env
  server.listen(LISTEN_FDS ? { fd: 3 } : { host: '127.0.0.1', port: PORT })`

/** Everything that opens a socket. `listenUdp` takes over the socket of a reservation, which the reservation has opened. */
const OPENERS: Readonly<Record<string, Open>> = {
  listenTcp: (from) => from.listenTcp(),
  'listenTcp on a reservation': (from, port) => from.listenTcp(undefined, { port }),
  'listenTcp on a name': (from) => from.listenTcp(undefined, { host: 'localhost' }),
  'listenTcp, dual': (from) => from.listenTcp(undefined, { family: 'dual' }),
  listenTls: (from) => from.listenTls(),
  'listenTls on a reservation': (from, port) => from.listenTls(undefined, { port }),
  listenHttp: (from) => from.listenHttp(),
  'listenHttp on a reservation': (from, port) => from.listenHttp(undefined, { port }),
  listenHttps: (from) => from.listenHttps(),
  'listenHttps on a reservation': (from, port) => from.listenHttps(undefined, { port }),
  listenHttp2: (from) => from.listenHttp2(),
  'listenHttp2 on a reservation': (from, port) => from.listenHttp2(undefined, { port }),
  listenUdp: (from) => from.listenUdp(),
  listenUnix: (from) => from.listenUnix(),
  listen: (from) => from.listen(net.createServer()),
  'listen on a reservation': (from, port) => from.listen(net.createServer(), { port }),
  'listen with a datagram socket': (from) => from.listen(dgram.createSocket('udp4')),
  reservePort: (from) => from.reservePort(),
  'reservePort for UDP': (from) => from.reservePort({ protocol: 'udp' }),
  'reservePort for both protocols on a name': (from) => from.reservePort({ host: 'localhost', protocol: 'both' }),
  reservePorts: (from) => from.reservePorts(2, { protocol: 'both' }),
  spawnListening: (from) => from.spawnListening(node, ['-e', program]),
  'spawnListening on a reservation': (from, port) => from.spawnListening(node, ['-e', program], { port }),
  'spawnListening by descriptor': (from) => from.spawnListening(node, ['-e', program], { by: 'descriptor' }),
  'spawnListening by descriptor on a reservation': (from, port) =>
    from.spawnListening(node, ['-e', program], { by: 'descriptor', port }),
  'spawnListening on any port': (from) => from.spawnListening(node, ['-e', program], { port: 'any' }),
  fragmentingEndpoint: (from) => from.fragmentingEndpoint(target),
  occupiedEndpoint: (from) => from.occupiedEndpoint(),
  'occupiedEndpoint for UDP': (from) => from.occupiedEndpoint({ protocol: 'udp' }),
  refusedEndpoint: (from) => from.refusedEndpoint(),
  resettingEndpoint: (from) => from.resettingEndpoint(),
  stalledEndpoint: (from) => from.stalledEndpoint(),
  switchableEndpoint: (from) => from.switchableEndpoint(target),
  unresponsiveEndpoint: (from) => from.unresponsiveEndpoint(),
}
/** Ways to call an opener. V8 knows the line of a caller only if the caller already awaits. */
const WAYS: Readonly<Record<string, (open: Opening) => Promise<AsyncDisposable>>> = {
  'awaits it': async (open) => await open(),
  'returns it': async (open) => open(),
  'awaits it later': async (open) => {
    const opening = open()
    await Promise.resolve()
    return await opening
  },
}

/** The calls that close the leaks since a snapshot, and the lines of this file that they name. */
async function namedSince(
  since: portside.SocketSnapshot,
): Promise<Array<[howToClose: string, line: string | undefined]>> {
  // The listener of another thread belongs to no object.
  const leaks = (await findLeaks(since)).filter(({ kind }) => kind !== 'untracked')
  return leaks.map(({ howToClose, openedAt: [frame] }) => [
    howToClose,
    frame?.file === import.meta.filename ? LINES[frame.line - 1]?.trim() : frame?.file,
  ])
}

describe.each(Object.entries(WAYS))('leaks name the line of a caller that %s:', (_way, call) => {
  test.each([
    ['of functions', () => portside],
    ['of methods of a scope', () => createScope()],
  ])('%s', { timeout: 60_000 }, async (_title, make) => {
    const openers = Object.values(OPENERS)
    // The first reservation of a process opens a listener, which takes so long that V8 knows every caller.
    await using ports = await reservePorts(openers.length, { family: 'IPv4' })
    const from: Openers = make()
    const since = snapshotSockets()
    await using all = createScope()
    const opening = openers.map(async (opener, index) => {
      const opened = await call(() => opener(from, ports[index] as portside.PortReservation))
      all.defer(() => opened[Symbol.asyncDispose]())
    })
    await Promise.all(opening)
    const named = await namedSince(since)
    const nameOf = (howToClose: string): string => /(\w+)\(\)$/.exec(howToClose)?.[1] ?? howToClose
    expect(named.filter(([howToClose, line]) => line?.includes(`from.${nameOf(howToClose)}(`) !== true)).toEqual([])
    const opened = new Set(named.map(([howToClose]) => nameOf(howToClose)))
    expect(opened).toEqual(new Set(Object.keys(OPENERS).map((name) => name.split(/\W/)[0])))
  })
})

test('a leak of spawnInNamespace() names its line', async (context) => {
  const support = await namespaceSupport()
  if (!support.supported) return context.skip(support.reason)
  const since = snapshotSockets()
  const child = await portside.spawnInNamespace({}, 'sleep', ['60'])
  const lines = new Set((await namedSince(since)).map(([, line]) => line))
  child.kill()
  await once(child, 'exit')
  expect([...lines]).toEqual(["const child = await portside.spawnInNamespace({}, 'sleep', ['60'])"])
})

test('a leak of a package that connects after the call does not name the line of the call', async () => {
  const dials = '(net, port) => (socket) => void socket.end().on("close", () => net.connect(port, "127.0.0.1"))'
  const proxy = runInThisContext(dials, { filename: '/project/node_modules/proxy/index.js' })
  await using target = await listenTcp(undefined, { host: '127.0.0.1' })
  await using server = await listenTcp(proxy(net, target.port))
  const since = snapshotSockets()
  const dialled = once(target.server, 'connection')
  const client = await server.connect()
  await once(client.resume(), 'close')
  await dialled
  const leaks = await findLeaks(since)
  const stacks = leaks.filter(({ kind }) => kind === 'client').map(({ openedAt }) => openedAt.map(({ file }) => file))
  expect(stacks).toEqual([['/project/node_modules/proxy/index.js']])
})
