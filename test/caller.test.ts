import { once } from 'node:events'
import net from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  beginOutside,
  calledBy,
  dropOwnFrames,
  fileOf,
  folderOf,
  isOfRuntime,
  isOwnFile,
  takeTrace,
  textOf,
} from '../src/caller.js'
import { portsideError } from '../src/errors.js'
import {
  assertAddressInUse,
  assertConnectionRefused,
  assertDrained,
  assertReleased,
  createNetwork,
  createScope,
  createSocketPool,
  exhaustEphemeralPorts,
  fillSendBuffer,
  findLeaks,
  findOwners,
  fragmentingEndpoint,
  listen,
  listenHttp,
  listenHttp2,
  listenHttps,
  listenTcp,
  listenTls,
  listenUdp,
  listenUnix,
  occupiedEndpoint,
  readSocketTable,
  refusedEndpoint,
  reservePort,
  reservePorts,
  resettingEndpoint,
  snapshotSockets,
  spawnInNamespace,
  spawnListening,
  stalledEndpoint,
  switchableEndpoint,
  type TestServer,
  unassignedEndpoint,
  unresponsiveEndpoint,
  waitForListening,
  waitForRefused,
} from '../src/index.js'
import { turn } from '../src/timers.js'
import { ELSEWHERE, HERE, HERE_FAMILY } from './support/here.js'
import { leavesNothingOpen } from './support/kernel.js'

leavesNothingOpen()

type Failing = (taken: { port: number }) => Promise<unknown>

const bad = { grace: 'soon' } as never
const unknown = { nothing: 1 } as never

/** Calls with a server whose handler throws, and closes it. */
async function withServer<T>(call: (server: TestServer) => Promise<T>): Promise<T> {
  const server = await listenTcp(() => {
    throw new Error('of the handler')
  })
  try {
    return await call(server)
  } finally {
    await server.close().catch(() => {})
  }
}

async function closedAfterThrowing(server: TestServer): Promise<unknown> {
  const client = await server.connect()
  await once(client.resume(), 'close')
  return server.close()
}

/** Calls that fail in different ways: by an event, after a wait, and for their arguments. */
const failing: Readonly<Record<string, Failing>> = {
  'listenTcp, by an event': ({ port }) => listenTcp(undefined, { port }),
  'listenHttp, by an event': ({ port }) => listenHttp(undefined, { port }),
  'listen, by an event': ({ port }) => listen(net.createServer(), { port }),
  'listenTcp through a scope': ({ port }) => createScope().listenTcp(undefined, { port }),
  'listenTls, for an option': () => listenTls(undefined, bad),
  'listenHttps, for an option': () => listenHttps(undefined, bad),
  'listenHttp2, for an option': () => listenHttp2(undefined, bad),
  'listenUdp, for an option': () => listenUdp(undefined, bad),
  'listenUnix, for its directory': () => listenUnix(undefined, { path: '/nowhere/at/all.sock' }),
  'reservePort, by an event': ({ port }) => reservePort({ port: [port] }),
  'reservePort through a scope': ({ port }) => createScope().reservePort({ port: [port] }),
  'reservePorts, for its count': () => reservePorts(0),
  'spawnListening, for its program': () => spawnListening('/no/such/program'),
  'waitForListening, after a wait': () => waitForListening(1, { timeout: 1 }),
  'waitForRefused, after a wait': ({ port }) => waitForRefused(port, { timeout: 1 }),
  'connect of a pool, by an event': () => createSocketPool().connect({ port: 1, host: HERE }),
  'drain of a pool': () => createSocketPool().drain(bad),
  'drain of a pool, by force': async ({ port }) => {
    const pool = createSocketPool()
    const socket = await pool.connect({ port, host: HERE })
    socket.write('a request')
    return pool.drain({ grace: 0, force: 'reject' })
  },
  'close of a server, for an option': () => withServer((server) => server.close(bad)),
  'close of a server, for its handler': () => withServer(closedAfterThrowing),
  'close of a scope, for what it undoes': () => {
    const scope = createScope()
    scope.defer(async () => {
      await turn()
      await createSocketPool().drain(bad)
    })
    return scope.close()
  },
  'findOwners, for its endpoint': () => findOwners({ port: 'x' } as never),
  'readSocketTable, of an async filter': () => readSocketTable((async () => true) as never),
  'fillSendBuffer, for its socket': () => fillSendBuffer(new net.Socket()),
  'findLeaks, for an option': () => findLeaks(snapshotSockets(), unknown),
  'assertAddressInUse, by an event': ({ port }) => assertAddressInUse(net.connect(port, HERE)),
  'assertConnectionRefused, of a promise': () => assertConnectionRefused(Promise.resolve(1)),
  'assertReleased, by an event': ({ port }) => assertReleased({ address: HERE, port }),
  'assertDrained, for its argument': () => assertDrained({} as never),
  'refusedEndpoint, for an option': () => refusedEndpoint(unknown),
  'occupiedEndpoint, for an option': () => occupiedEndpoint(unknown),
  'stalledEndpoint, for an option': () => stalledEndpoint(unknown),
  'resettingEndpoint, for an option': () => resettingEndpoint({ after: -1 }),
  'fragmentingEndpoint, for an option': () => fragmentingEndpoint({ path: '/x' }, { chunk: 0 }),
  'switchableEndpoint, for its target': () => switchableEndpoint({} as never),
  'unassignedEndpoint, for an option': () => unassignedEndpoint({ family: 'dual' as never }),
  'unresponsiveEndpoint, for its host': () => unresponsiveEndpoint({ host: ELSEWHERE }),
  'createNetwork, for its hosts': () => createNetwork({ hosts: {} }),
  'spawnInNamespace, for its profile': () => spawnInNamespace({ mtu: 1 }, 'true'),
  'exhaustEphemeralPorts, for its limit': () => exhaustEphemeralPorts({ limit: 0 }),
}

/** The first frame of a stack. */
function firstFrame(error: Error): string | undefined {
  const end = (error.stack ?? '').lastIndexOf(error.message) + error.message.length
  return fileOf((error.stack ?? '').slice(end).split('\n')[1] ?? '')
}

it.each([
  ['/app/node_modules/portside/dist/base.cjs', '/app/node_modules/portside/dist/'],
  ['C:\\app\\dist\\base.cjs', 'C:\\app\\dist\\'],
  ['W:/app/src/caller.ts', 'W:/app/src/'],
])('the folder of %s has the separator of the file', (file, folder) => {
  expect(folderOf(file)).toBe(folder)
})

describe('the stack of an error', () => {
  it.each(Object.entries(failing))('begins at the line of the caller: %s', async (_name, call) => {
    await using taken = await listenTcp((socket) => void socket.resume(), { family: HERE_FAMILY })
    const error = await call(taken).then(
      () => undefined,
      (reason: Error) => reason,
    )
    expect(firstFrame(error as Error)).toBe(import.meta.filename)
  })

  it('begins there if an argument is rejected within the call', () => {
    let thrown: Error | undefined
    try {
      createScope(bad)
    } catch (error) {
      thrown = error as Error
    }
    expect(firstFrame(thrown as Error)).toBe(import.meta.filename)
  })
})

describe('an error of the user', () => {
  it('loses its frames of portside and keeps the others', () => {
    const file = join(import.meta.dirname, '../src/caller.ts')
    const error = new Error('mine')
    error.stack = `Error: mine\n    at test (/project/a.test.js:1:1)\n    at run (${file}:1:1)\n    at main (/project/b.js:2:2)`
    dropOwnFrames(error)
    expect(error.stack).toBe('Error: mine\n    at test (/project/a.test.js:1:1)\n    at main (/project/b.js:2:2)')
    for (const other of [undefined, null, 'text', Object.freeze(new Error('frozen'))]) dropOwnFrames(other)
  })
})

describe('calledBy()', () => {
  it('does not change errors of other code', async () => {
    const error = new Error('of a user')
    const { stack } = error
    await expect(calledBy(run, () => Promise.reject(error))).rejects.toBe(error)
    expect(error.stack).toBe(stack)
    await expect(calledBy(run, () => Promise.reject('no error'))).rejects.toBe('no error')
  })

  it('returns the result of the action, and begins it within the call', async () => {
    let begun = false
    const result = calledBy(run, async () => {
      begun = true
      return 5
    })
    expect(begun).toBe(true)
    expect(await result).toBe(5)
  })

  it('works in a process whose stack limit cannot be changed', () => {
    const descriptor = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit') as PropertyDescriptor
    Object.defineProperty(Error, 'stackTraceLimit', { ...descriptor, writable: false })
    try {
      expect(textOf(takeTrace(undefined, 5))).toContain('caller')
    } finally {
      Object.defineProperty(Error, 'stackTraceLimit', descriptor)
    }
  })

  function run(): void {}
})

describe('a stack', () => {
  it('keeps its frames if all of them are of portside or of Node', () => {
    const error = portsideError('ERR_X', { headline: 'No' })
    error.stack = `PortsideError: ${error.message}\n    at Server.emit (node:events:1:1)`
    beginOutside(error)
    expect(error.stack).toContain('node:events')
  })

  it('does not change if a prepareStackTrace has made something else of it', async () => {
    const { prepareStackTrace } = Error
    Error.prepareStackTrace = () => ['no', 'text']
    try {
      expect(() => portsideError('ERR_X', { headline: 'No' })).not.toThrow()
      const [server] = [net.createServer().listen({ port: 0, host: HERE })]
      await once(server, 'listening')
      const { port } = server.address() as net.AddressInfo
      await expect(listenTcp(undefined, { port, family: HERE_FAMILY })).rejects.toMatchObject({ code: 'EADDRINUSE' })
      server.close()
      await once(server, 'close')
    } finally {
      Error.prepareStackTrace = prepareStackTrace
    }
  })

  it('tells the files of portside apart from others', () => {
    expect(isOwnFile('/app/node_modules/portside/dist/index.js')).toBe(true)
    expect(isOwnFile('/app/node_modules/portside-other/index.js')).toBe(false)
    expect(fileOf('    at async file:///app/a.js:1:2')).toBe('/app/a.js')
    expect(fileOf('    at Object.<anonymous> (/app/a b.js:1:2)')).toBe('/app/a b.js')
    expect(fileOf('Error: at')).toBeUndefined()
  })
})

it.each([
  ['node:net', true],
  ['ext:deno_node/net.ts', true],
  ['/app/ext/node.ts', false],
  ['file:///app/test.ts', false],
])('a frame in %s is of the runtime: %s', (file, expected) => {
  expect(isOfRuntime(file)).toBe(expected)
})
