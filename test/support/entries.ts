import net from 'node:net'
import type * as index from '../../src/index.js'

export type Portside = typeof index

/** Registers a resource that a call needs, which is closed after the call. */
export type Use = <T extends Closable>(opened: T | Promise<T>) => Promise<T>
type Closable = AsyncDisposable | net.Socket | net.Server

/** A function or method that a user calls. */
export interface Entry {
  /** Its name in messages: `listenTcp()`. */
  readonly of: string
  /** Its name in the types: `listenTcp`, or `TestServer.connect`. */
  readonly is: string
  /** A known option. Undefined if the function has no options. */
  readonly knows: string | undefined
  /** The function, and valid arguments, with the options last. */
  readonly make: (use: Use) => Made | Promise<Made>
  /** The position of a callback whose errors the call passes on. */
  readonly runs?: number
  /** The resources of the call take long to make, and can be shared between calls. */
  readonly kept?: boolean
  /** Its errors come from another package and have no code. */
  readonly foreign?: boolean
  /** The call takes every ephemeral port of its host. */
  readonly greedy?: boolean
}

export type Made = readonly [call: Call, ...args: unknown[]]
// biome-ignore lint/suspicious/noExplicitAny: an entry passes arguments of any type.
type Call = (...args: any[]) => unknown

/** Every public function, and every method of the objects that these return. `test/fuzz/fuzz.test.ts` finds a missing entry. */
export function entriesOf(portside: Portside): readonly Entry[] {
  const functions = [...serving(portside), ...acquiring(portside)]
  return [
    ...functions,
    ...functions.filter(({ is }) => is in portside && is !== 'exhaustEphemeralPorts').flatMap(inScope(portside)),
    ...methods(portside),
    ...asking(portside),
    ...asserting(portside),
    ...isolating(portside),
  ]
}

export const entry = (
  of: string,
  is: string,
  knows: string | undefined,
  make: Entry['make'],
  more: Partial<Entry> = {},
): Entry => ({
  of,
  is,
  knows,
  make,
  ...more,
})

/** A method with its object. */
// biome-ignore lint/suspicious/noExplicitAny: as above.
const on = (object: any, method: string): Call => object[method].bind(object)

function serving(portside: Portside): Entry[] {
  return [
    entry('listenTcp()', 'listenTcp', 'port', () => [portside.listenTcp, undefined, {}]),
    entry('listenTls()', 'listenTls', 'family', () => [portside.listenTls, undefined, {}]),
    entry('listenHttp()', 'listenHttp', 'port', () => [portside.listenHttp, undefined, {}]),
    entry('listenHttps()', 'listenHttps', 'backlog', () => [portside.listenHttps, undefined, {}]),
    entry('listenHttp2()', 'listenHttp2', 'secure', () => [portside.listenHttp2, undefined, {}]),
    entry('listenUdp()', 'listenUdp', 'family', () => [portside.listenUdp, undefined, {}]),
    entry('listenUnix()', 'listenUnix', 'path', () => [portside.listenUnix, undefined, {}]),
    entry('listen()', 'listen', 'grace', () => [portside.listen, net.createServer(), {}]),
  ]
}

function acquiring(portside: Portside): Entry[] {
  const target = async (use: Use): Promise<unknown> => (await use(portside.listenTcp())).endpoint
  return [
    entry('reservePort()', 'reservePort', 'exclude', () => [portside.reservePort, {}]),
    entry('reservePorts()', 'reservePorts', 'protocol', () => [portside.reservePorts, 2, {}]),
    ...[['60'], () => ['60']].map((args) =>
      entry(
        'spawnListening()',
        'spawnListening',
        'backlog',
        () => [portside.spawnListening, 'sleep', args, { by: 'descriptor', ready: () => true }],
        { runs: 1 },
      ),
    ),
    entry('refusedEndpoint()', 'refusedEndpoint', 'exclude', () => [portside.refusedEndpoint, {}]),
    entry('occupiedEndpoint()', 'occupiedEndpoint', 'protocol', () => [portside.occupiedEndpoint, {}]),
    entry('unresponsiveEndpoint()', 'unresponsiveEndpoint', 'signal', () => [portside.unresponsiveEndpoint, {}]),
    entry('stalledEndpoint()', 'stalledEndpoint', 'family', () => [portside.stalledEndpoint, {}]),
    entry('resettingEndpoint()', 'resettingEndpoint', 'after', () => [portside.resettingEndpoint, {}]),
    entry('fragmentingEndpoint()', 'fragmentingEndpoint', 'chunk', async (use) => [
      portside.fragmentingEndpoint,
      await target(use),
      {},
    ]),
    entry('unassignedEndpoint()', 'unassignedEndpoint', 'family', () => [portside.unassignedEndpoint, {}]),
    entry('privilegedEndpoint()', 'privilegedEndpoint', 'family', () => [portside.privilegedEndpoint, {}]),
    entry('switchableEndpoint()', 'switchableEndpoint', 'family', async (use) => [
      portside.switchableEndpoint,
      await target(use),
      {},
    ]),
  ]
}

/** The same function as a method of a scope. */
const inScope =
  (portside: Portside) =>
  ({ make, ...same }: Entry): Entry[] => [
    {
      ...same,
      is: `NetScope.${same.is}`,
      make: async (use) => {
        const [, ...args] = await make(use)
        return [on(await use(portside.createScope({ grace: 5 })), same.is), ...args]
      },
    },
  ]

function methods(portside: Portside): Entry[] {
  const socket = async (use: Use): Promise<net.Socket> => (await use(portside.listenTcp())).connect()
  const switchable = async (use: Use) => use(portside.switchableEndpoint((await use(portside.listenTcp())).endpoint))
  const program = (use: Use) => use(portside.spawnListening('sleep', ['60'], { by: 'descriptor', ready: () => true }))
  return [
    ...(['listenTcp', 'listenTls', 'listenUnix', 'listenUdp'] as const).flatMap((name) => [
      entry('server.connect()', `TestServer.connect of ${name}`, 'signal', async (use) => [
        on(await use<AsyncDisposable>(portside[name]()), 'connect'),
        {},
      ]),
      entry('server.close()', `TestServer.close of ${name}`, 'grace', async (use) => [
        on(await use<AsyncDisposable>(portside[name]()), 'close'),
        {},
      ]),
    ]),
    entry('createSocketPool()', 'createSocketPool', 'grace', () => [portside.createSocketPool, {}]),
    entry('pool.track()', 'SocketPool.track', undefined, async (use) => [
      on(await use(portside.createSocketPool()), 'track'),
      await socket(use),
    ]),
    entry('pool.connect()', 'SocketPool.connect', 'timeout', async (use) => [
      on(await use(portside.createSocketPool()), 'connect'),
      (await use(portside.listenTcp())).endpoint,
      {},
    ]),
    entry('pool.onDrain()', 'SocketPool.onDrain', undefined, async (use) => [
      on(await use(portside.createSocketPool()), 'onDrain'),
      () => {},
    ]),
    entry('pool.drain()', 'SocketPool.drain', 'force', async (use) => [
      on(await use(portside.createSocketPool()), 'drain'),
      {},
    ]),
    entry('createScope()', 'createScope', 'grace', () => [portside.createScope, {}]),
    entry('net.createSocketPool()', 'NetScope.createSocketPool', 'grace', async (use) => [
      on(await use(portside.createScope()), 'createSocketPool'),
      {},
    ]),
    entry('net.defer()', 'NetScope.defer', undefined, async (use) => [
      on(await use(portside.createScope()), 'defer'),
      () => {},
    ]),
    entry('net.close()', 'NetScope.close', 'grace', async (use) => [
      on(await use(portside.createScope()), 'close'),
      {},
    ]),
    entry(
      'reservation.handOver()',
      'PortReservation.handOver',
      undefined,
      async (use) => [on(await use(portside.reservePort({ protocol: 'both' })), 'handOver'), () => {}, 'tcp'],
      { runs: 0 },
    ),
    entry('reservation.takeSocket()', 'PortReservation.takeSocket', undefined, async (use) => {
      const reservation = await use(portside.reservePort({ protocol: 'udp' }))
      return [on(reservation, 'takeSocket'), reservation.address]
    }),
    ...(['refuse', 'stall', 'reset', 'restore'] as const).map((name) =>
      entry(`endpoint.${name}()`, `SwitchableEndpoint.${name}`, undefined, async (use) => [
        on(await switchable(use), name),
      ]),
    ),
    entry('program.stop()', 'ListeningChild.stop', undefined, async (use) => [
      on(await program(use), 'stop'),
      'SIGTERM',
    ]),
    entry(
      'tracking.run()',
      'SocketTracking.run',
      undefined,
      () => [on(portside.trackSockets(), 'run'), { name: 'a test', file: 'a.test.ts' }, () => {}],
      { runs: 1 },
    ),
  ]
}

function asking(portside: Portside): Entry[] {
  return [
    entry('waitForListening()', 'waitForListening', 'interval', async (use) => [
      portside.waitForListening,
      (await use(portside.listenTcp())).endpoint,
      { timeout: 100 },
    ]),
    entry('waitForReady()', 'waitForReady', 'status', async (use) => [
      portside.waitForReady,
      new URL((await use(portside.listenHttp())).url.href),
      { timeout: 100 },
    ]),
    entry('waitForRefused()', 'waitForRefused', 'timeout', async (use) => [
      portside.waitForRefused,
      await use(portside.refusedEndpoint()),
      { timeout: 100 },
    ]),
    entry('findOwners()', 'findOwners', 'protocol', async (use) => [
      portside.findOwners,
      (await use(portside.listenTcp())).endpoint,
      {},
    ]),
    entry('readSocketTable()', 'readSocketTable', 'state', () => [portside.readSocketTable, {}], { runs: 0 }),
    entry('fillSendBuffer()', 'fillSendBuffer', 'timeout', async (use) => {
      const pool = await use(portside.createSocketPool())
      return [portside.fillSendBuffer, await pool.connect(await use(portside.stalledEndpoint())), { timeout: 2000 }]
    }),
    entry('connectionTuple()', 'connectionTuple', undefined, async (use) => [
      portside.connectionTuple,
      await (await use(portside.listenTcp())).connect(),
    ]),
    entry('formatEndpoint()', 'formatEndpoint', undefined, () => [
      portside.formatEndpoint,
      { address: '::1', port: 3000 },
    ]),
    entry('explainSocketError()', 'explainSocketError', undefined, () => [
      portside.explainSocketError,
      Object.assign(new Error('refused'), { code: 'ECONNREFUSED', address: '127.0.0.1', port: 9 }),
    ]),
    entry('findLeaks()', 'findLeaks', 'ignore', () => [portside.findLeaks, portside.snapshotSockets(), {}]),
    entry('verifyNoLeaks()', 'verifyNoLeaks', 'kernel', () => [portside.verifyNoLeaks, portside.snapshotSockets(), {}]),
    entry('a leak rule', 'ignoreLeaks', 'package', () => [portside.ignoreLeaks, { package: 'x' }]),
  ]
}

function asserting(portside: Portside): Entry[] {
  const names = Object.keys(portside).filter((name) => name.startsWith('assert')) as Array<keyof Portside>
  const special: Readonly<Record<string, Entry['make']>> = {
    assertDrained: async (use) => [portside.assertDrained, await use(portside.createSocketPool())],
    assertReleased: async (use) => {
      const { endpoint, close } = await use(portside.listenTcp()).then((server) => ({
        endpoint: server.endpoint,
        close: () => server.close(),
      }))
      await close()
      return [portside.assertReleased, endpoint, {}]
    },
  }
  const knows = (name: string): string | undefined =>
    name === 'assertDrained' ? undefined : name === 'assertReleased' ? 'protocol' : 'timeout'
  return names.map((name) =>
    entry(
      `${name}()`,
      name,
      knows(name),
      special[name] ??
        (() => [portside[name] as Call, Object.assign(new Error('x'), { code: 'EPIPE' }), undefined, { timeout: 50 }]),
    ),
  )
}

function isolating(portside: Portside): Entry[] {
  const kept = { kept: true }
  const network = (use: Use) => use(portside.createNetwork({ hosts: { a: {}, b: {} } }))
  return [
    entry('spawnInNamespace()', 'spawnInNamespace', 'stdio', () => [portside.spawnInNamespace, {}, 'true', [], {}]),
    entry('the profile of a host', 'spawnInNamespace', 'localhost', () => [
      (profile: never) => portside.spawnInNamespace(profile, 'true'),
      {},
    ]),
    entry('createNetwork()', 'createNetwork', 'hosts', () => [portside.createNetwork, { hosts: { a: {} } }]),
    entry('the profile of a host', 'createNetwork', 'ipv6', () => [
      (profile: never) => portside.createNetwork({ hosts: { a: profile } }),
      {},
    ]),
    entry(
      'network.host()',
      'PrivateNetwork.host',
      undefined,
      async (use) => [on(await network(use), 'host'), 'a'],
      kept,
    ),
    entry(
      'network.cut()',
      'PrivateNetwork.cut',
      undefined,
      async (use) => [on(await network(use), 'cut'), 'a', 'b'],
      kept,
    ),
    entry(
      'network.heal()',
      'PrivateNetwork.heal',
      undefined,
      async (use) => [on(await network(use), 'heal'), 'a', 'b'],
      kept,
    ),
    entry(
      'host.spawn()',
      'NetworkHost.spawn',
      'stdio',
      async (use) => [on((await network(use)).host('a'), 'spawn'), 'true', [], {}],
      kept,
    ),
    entry('exhaustEphemeralPorts()', 'exhaustEphemeralPorts', 'limit', () => [portside.exhaustEphemeralPorts, {}], {
      greedy: true,
    }),
  ]
}
