import { execFileSync } from 'node:child_process'
import dns from 'node:dns/promises'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, expectTypeOf, it, onTestFinished, vi } from 'vitest'
import {
  type Endpoint,
  type EndpointLike,
  type Endpoints,
  type Family,
  formatEndpoint,
  listenHttp,
  listenTcp,
  listenTls,
  listenUnix,
  loopbackFamilies,
  type PortsideError,
  refusedEndpoint,
  reservePort,
  resettingEndpoint,
  spawnListening,
  stalledEndpoint,
  unresponsiveEndpoint,
  type WaitOptions,
  waitForListening,
  waitForReady,
  waitForRefused,
} from '../../src/index.js'
import { whyFamilyIsMissing } from '../../src/loopback/probe.js'
import { turn, until } from '../support/clients.js'
import { HERE, HERE_IN_URL } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { inNamespace, whyNoNamespace } from '../support/namespace.js'
import { READABLE } from '../support/readable.js'

leavesNothingOpen({ lingers: true })

const FAMILIES = loopbackFamilies()
const ADDRESS: Record<Family, string> = { IPv4: HERE, IPv6: '::1' }
const LOOPBACK = ADDRESS[FAMILIES[0] as Family]

/** A wait that only the event ends, and a wait that times out. */
const patient: WaitOptions = { timeout: 60_000, interval: 1 }
const brief: WaitOptions = { timeout: 100, interval: 10 }

/** The common contract of both. */
const WAITS: Array<{ name: string; wait: (target: EndpointLike, options?: WaitOptions) => Promise<unknown> }> = [
  { name: 'waitForListening', wait: waitForListening },
  { name: 'waitForRefused', wait: waitForRefused },
]

/** Ways to name a port of an address. */
const TARGETS: Array<{ what: string; of: (place: { address: string; port: number }) => EndpointLike }> = [
  { what: 'an address and a port', of: ({ address, port }) => ({ address, port }) },
  { what: 'a host and a port', of: ({ address, port }) => ({ host: address, port }) },
  { what: 'an http URL', of: (place) => new URL(`http://${formatEndpoint(place)}/`) },
  { what: 'a URL of another scheme', of: (place) => new URL(`tcp://${formatEndpoint(place)}`) },
]

describe.each(FAMILIES)('on %s', (family) => {
  const address = ADDRESS[family]

  it.each(TARGETS)('waits for $what', async ({ of }) => {
    await using listener = await listenOn(address)
    const { port } = listener
    expect(await waitForListening(of(listener), patient)).toEqual([{ address, port, family }])
    const refused = waitForRefused(of(listener), patient)
    await listener.close()
    expect(await refused).toBeUndefined()
  })

  it('connects to loopback for a wildcard address', async () => {
    await using listener = await listenOn(address)
    const { port } = listener
    const wildcard = { address: family === 'IPv6' ? '::' : '0.0.0.0', port }
    expect(await waitForListening(wildcard, patient)).toEqual([{ address, port, family }])
    await listener.close()
    await waitForRefused(wildcard, patient)
  })

  it('waits for a listener that starts later', async () => {
    await using reservation = await reservePort({ family })
    const { port } = reservation
    const waiting = waitForListening({ address, port }, patient)
    await turns(20)
    await using _listener = await listenOn(address, port)
    expect(await waiting).toEqual([{ address, port, family }])
  })

  it.each([
    ['all of loopback', [HERE, '::1']],
    ['the other family', [family === 'IPv6' ? HERE : '::1']],
    ['nothing', []],
  ])('tries both families of localhost even if it resolves to %s', async (_what, addresses) => {
    resolvesTo(...addresses)
    // On each family of the host: another process could listen on the same port of the other family.
    await using reservation = await reservePort({ family: FAMILIES.length > 1 ? 'dual' : family })
    const { port } = reservation
    await using listener = await listenOn(address, port)
    for (const target of [port, { port }, { host: 'localhost', port }, new URL(`http://localhost:${port}`)]) {
      expect(await waitForListening(target, patient)).toEqual([{ address, port, family }])
    }
    const refused = waitForRefused(port, patient)
    await listener.close()
    await refused
  })

  it('never binds: a listener can always take the port during a wait', async () => {
    await using reservation = await reservePort({ family })
    const { port } = reservation
    for (let round = 0; round < 50; round++) {
      const waiting = waitForListening({ address, port }, { timeout: 60_000, interval: 0 })
      await turns(round % 5)
      await using _listener = await listenOn(address, port)
      await waiting
    }
  })
})

describe('waitForListening', () => {
  it('resolves to an array with the address, port and family of its first endpoint', async () => {
    await using server = await listenTcp()
    const found = await waitForListening(server.port, patient)
    expect(Array.isArray(found)).toBe(true)
    expect([found.address, found.port, found.family]).toEqual([server.address, server.port, server.family])
    expect(formatEndpoint(found)).toBe(formatEndpoint(server))
  })

  it('has a type for each kind of target', () => {
    expectTypeOf(() => waitForListening({ pid: 1 })).returns.resolves.toEqualTypeOf<Endpoints>()
    expectTypeOf(() => waitForListening(3000)).returns.resolves.toEqualTypeOf<Endpoints>()
    expectTypeOf(() => waitForListening({ path: '/socket' })).returns.resolves.toEqualTypeOf<string>()
    expectTypeOf(() => waitForListening({} as EndpointLike)).returns.resolves.toEqualTypeOf<Endpoints | string>()
    expectTypeOf(() => waitForReady('http://localhost:3000')).returns.resolves.toBeVoid()
  })

  it.each([
    { name: 'listenTcp', listen: listenTcp },
    { name: 'listenTls', listen: listenTls },
    { name: 'listenHttp', listen: listenHttp },
  ])('accepts a server as target: $name', async ({ listen }) => {
    await using port = await reservePort()
    const server = await listen(undefined, { port })
    expect(await waitForListening(server, patient)).toEqual([server.endpoint])
    await server.close()
    await waitForRefused(server, patient)
  })

  it('waits for a name that does not resolve yet', async () => {
    const lookup = resolvesTo()
    await using listener = await listenOn(LOOPBACK)
    const waiting = waitForListening({ host: 'later.test', port: listener.port }, patient)
    await until(() => lookup.mock.calls.length > 2)
    resolvesTo(LOOPBACK)
    expect(await waiting).toMatchObject({ address: LOOPBACK })
  })

  it('tries every address of a name', async () => {
    resolvesTo(HERE, '::1')
    for (const family of FAMILIES) {
      await using listener = await listenOn(ADDRESS[family])
      const { address, port } = listener
      // Another process may listen on this port of the other family.
      expect(await waitForListening({ host: 'both.test', port }, patient)).toContainEqual({ address, port, family })
    }
  })

  it('does not wait for a silent listener after an abort', async () => {
    await using endpoint = await stalledEndpoint()
    const abort = new AbortController()
    const waiting = failureOf(waitForListening(endpoint, { signal: abort.signal }))
    await turns(20)
    abort.abort()
    expect(await waiting).toMatchObject({ code: 'ABORT_ERR' })
  })

  it('accepts a listener that resets connections', async () => {
    await using endpoint = await resettingEndpoint()
    expect(await waitForListening(endpoint, patient)).toMatchObject({ port: endpoint.port })
  })

  it('waits for a path, even if it does not exist yet', async () => {
    const server = await listenUnix()
    expect(await waitForListening(server, patient)).toBe(server.path)
    await server.close()
    await waitForRefused(server, patient)

    const directory = await mkdtemp(join(tmpdir(), 'portside-test-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    const path = process.platform === 'win32' ? server.path : join(directory, 'later.sock')
    const waiting = waitForListening({ path }, patient)
    await turns(20)
    await using _later = await listenOn(path)
    expect(await waiting).toBe(path)
  })

  it('rejects with the last error as its cause when nothing listens', async () => {
    await using reservation = await reservePort()
    const [endpoint] = reservation.endpoints as readonly [Endpoint]
    const failure = await failureOf(waitForListening(endpoint, brief))
    const place = formatEndpoint(endpoint)
    expect(failure).toMatchObject({ code: 'ERR_PORTSIDE_WAIT_TIMEOUT', cause: { code: 'ECONNREFUSED' } })
    expect(failure.message).toContain(
      `Cannot wait until ${place} is listening.\n  expected   a connection\n  got        ${place}: `,
    )
    expect(failure.message).toMatch(
      /: ECONNREFUSED \(connection refused\), after \d+ attempts in \d+ ms\n {2}fix {8}check that the listener is up, .+$/,
    )
  })

  it('names each address that it tried', async () => {
    await using reservation = await reservePort({ family: FAMILIES.length < 2 ? (FAMILIES[0] as Family) : 'dual' })
    const failure = await failureOf(waitForListening(reservation.port, brief))
    expect(failure.message).toContain(`Cannot wait until localhost:${reservation.port} is listening.\n`)
    for (const endpoint of reservation.endpoints) {
      expect(failure.message).toContain(`${formatEndpoint(endpoint)}: ECONNREFUSED`)
    }
  })

  it('reports the last answer, even if the event loop was blocked past the timeout', async () => {
    await using reservation = await reservePort()
    const waiting = failureOf(
      waitForListening(reservation.endpoints[0] as EndpointLike, { timeout: 200, interval: 50 }),
    )
    // The first attempt is answered. The next is due together with the timeout.
    await turns(20)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400)
    expect(await waiting).toMatchObject({ code: 'ERR_PORTSIDE_WAIT_TIMEOUT', cause: { code: 'ECONNREFUSED' } })
  })

  it('rejects if nothing answers', async () => {
    await using endpoint = await unresponsiveEndpoint()
    const failure = await failureOf(waitForListening(endpoint, brief))
    expect(failure).toMatchObject({
      code: 'ERR_PORTSIDE_WAIT_TIMEOUT',
      cause: { code: 'ERR_PORTSIDE_CONNECT_TIMEOUT' },
    })
    expect(failure.message).toContain(`${formatEndpoint(endpoint)}: ERR_PORTSIDE_CONNECT_TIMEOUT (no answer)`)
  })

  it('rejects for a name that does not resolve, and for a path that does not exist', async () => {
    const unnamed = await failureOf(waitForListening({ host: 'a..b', port: 1 }, brief))
    expect(unnamed).toMatchObject({ code: 'ERR_PORTSIDE_WAIT_TIMEOUT' })
    expect(unnamed.message).toContain('wait until a..b:1 is listening')
    expect(unnamed.message).toContain('a name that resolves to nothing')
    const path = join(tmpdir(), 'portside-test-none', 'none.sock')
    const absent = await failureOf(waitForListening({ path }, brief))
    expect(absent).toMatchObject({ code: 'ERR_PORTSIDE_WAIT_TIMEOUT', cause: { code: 'ENOENT' } })
    expect(absent.message).toContain(`wait until ${path} is listening`)
  })

  it.each([
    { what: 'says nothing', env: { WRITES: '0' } },
    { what: 'greets', env: { GREETING: '220 ready\r\n', WRITES: '1' } },
    { what: 'greets in two writes', env: { GREETING: '220 ready\r\n', WRITES: '2' } },
    { what: 'greets at length', env: { GREETING: 'x'.repeat(100_000), WRITES: '20' } },
  ])('does not crash a server without error handlers that $what', async ({ env }) => {
    const program = fileURLToPath(new URL('../../fixtures/programs/greet.mjs', import.meta.url))
    const options = { by: 'port', host: HERE, env: { ...process.env, HOST: HERE, ...env } } as const
    const child = await spawnListening(process.execPath, [program], options)
    const ended = child.exited.then(() => true)
    for (let waits = 0; waits < 10 && child.child.exitCode === null; waits++) {
      await Promise.race([ended, waitForListening(child, patient)])
    }
    await until(() => child.stdout.split('\n').length > 10 || child.child.exitCode !== null)
    expect(child.stderr).toBe('')
    expect(child.child.exitCode).toBe(null)
    await child.stop()
  })

  it('does not take a connection of a port to itself for a listener', (context) => {
    if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
    // With one ephemeral port, a client that connects to it gets it as its own.
    const setUp = 'echo 40000 40000 > /proc/sys/net/ipv4/ip_local_port_range'
    const code = `
      import net from 'node:net'
      const { waitForListening, waitForRefused } = await import(process.env.PORTSIDE)
      const place = { host: '${HERE}', port: 40000 }
      const met = await new Promise((resolve, reject) => {
        const socket = net.connect(place).once('error', reject).once('connect', () => {
          resolve(socket.localPort === socket.remotePort)
          socket.resetAndDestroy()
        })
      })
      const options = { timeout: 100, interval: 1 }
      const listening = await waitForListening(place, options).catch(({ code }) => code)
      const refused = await waitForRefused(place, { timeout: 60000, interval: 1 }).then(() => 'refused')
      console.log(JSON.stringify({ met, listening, refused }))`
    expect(JSON.parse(execFileSync(...inNamespace(setUp, code)))).toEqual({
      met: true,
      listening: 'ERR_PORTSIDE_WAIT_TIMEOUT',
      refused: 'refused',
    })
  })
})

describe('waitForRefused', () => {
  it('resolves immediately if nothing listens', async () => {
    await using reservation = await reservePort()
    await waitForRefused(reservation.endpoints[0] as EndpointLike, patient)
    await waitForRefused({ path: join(tmpdir(), 'portside-test-none', 'none.sock') }, patient)
  })

  it('waits until both families refuse', async (context) => {
    for (const why of [whyFamilyIsMissing('IPv4'), whyFamilyIsMissing('IPv6')]) if (why) context.skip(why)
    await using reservation = await reservePort({ family: 'dual' })
    const { port } = reservation
    await using one = await listenOn(HERE, port)
    await using other = await listenOn('::1', port)
    let resolved = false
    const refused = waitForRefused(port, patient).then(() => {
      resolved = true
    })
    await one.close()
    const before = other.accepted()
    await until(() => other.accepted() > before + 3)
    expect(resolved).toBe(false)
    await other.close()
    await refused
  })

  it('rejects if something still listens, and reports where', async () => {
    await using listener = await listenOn(LOOPBACK)
    const failure = await failureOf(waitForRefused(listener, brief))
    expect(failure).toMatchObject({ code: 'ERR_PORTSIDE_WAIT_TIMEOUT', expected: 'ECONNREFUSED' })
    expect(failure.message).toContain(`wait until connections to ${formatEndpoint(listener)} are refused`)
    expect(failure.message).toContain(`${formatEndpoint(listener)}: it accepts connections`)
  })

  it('does not count a missing answer or an unknown name as a refusal', async () => {
    await using endpoint = await unresponsiveEndpoint()
    for (const target of [endpoint, { host: 'a..b', port: 1 }]) {
      expect(await failureOf(waitForRefused(target, brief))).toMatchObject({ code: 'ERR_PORTSIDE_WAIT_TIMEOUT' })
    }
  })
})

describe.each(WAITS)('$name', ({ name, wait }) => {
  /** A target for which it would wait until it is aborted. */
  const goesOn = async () => (name === 'waitForRefused' ? listenOn(LOOPBACK) : refusedEndpoint())

  it('rejects an aborted signal', async () => {
    const reason = new Error('enough')
    const failure = await failureOf(wait({ port: 1 }, { signal: AbortSignal.abort(reason) }))
    expect(failure).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: reason })
  })

  it('rejects when the signal aborts, even during an unanswered connect', async () => {
    await using place = await goesOn()
    await using unresponsive = await unresponsiveEndpoint()
    for (const target of [place, unresponsive]) {
      const abort = new AbortController()
      const waiting = failureOf(wait(target, { ...patient, signal: abort.signal }))
      await turns(20)
      const reason = new Error('enough')
      abort.abort(reason)
      expect(await waiting).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: reason })
    }
  })

  it('prints no leak warning, even after many attempts', async () => {
    const warnings: Error[] = []
    const warn = (warning: Error): void => void warnings.push(warning)
    process.on('warning', warn)
    onTestFinished(() => void process.off('warning', warn))
    await using place = await goesOn()
    const attempts = vi.spyOn(net, 'connect')
    onTestFinished(() => attempts.mockRestore())
    const abort = new AbortController()
    const waiting = failureOf(wait(place, { timeout: 60_000, interval: 0, signal: abort.signal }))
    await until(() => attempts.mock.calls.length > 100)
    abort.abort()
    await waiting
    await turn()
    expect(warnings).toEqual([])
  })

  it.each([
    ['http:', 80],
    ['ws:', 80],
    ['https:', 443],
    ['wss:', 443],
  ])('takes a URL of %s without a port as port %i', async (scheme, port) => {
    const failure = await failureOf(wait(new URL(`${scheme}//${HERE_IN_URL}`), { signal: AbortSignal.abort() }))
    expect(failure.message).toContain(` ${HERE_IN_URL}:${port} `)
  })

  it.each([
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [null, 'ERR_INVALID_ARG_TYPE'],
    ['http://localhost:3000', 'ERR_INVALID_ARG_TYPE'],
    [{ host: '', port: 3000 }, 'ERR_INVALID_ARG_TYPE'],
    [{ host: 5, port: 3000 }, 'ERR_INVALID_ARG_TYPE'],
    [{ path: '' }, 'ERR_INVALID_ARG_TYPE'],
    [{ path: 5 }, 'ERR_INVALID_ARG_TYPE'],
    [net.createServer(), 'ERR_INVALID_ARG_TYPE'],
    [{}, 'ERR_SOCKET_BAD_PORT'],
    [0, 'ERR_SOCKET_BAD_PORT'],
    [-1, 'ERR_SOCKET_BAD_PORT'],
    [65_536, 'ERR_SOCKET_BAD_PORT'],
    [3000.5, 'ERR_SOCKET_BAD_PORT'],
    [{ port: 0 }, 'ERR_SOCKET_BAD_PORT'],
    [{ port: '3000' }, 'ERR_SOCKET_BAD_PORT'],
    [{ address: HERE }, 'ERR_SOCKET_BAD_PORT'],
    [new URL('tcp://127.0.0.1'), 'ERR_SOCKET_BAD_PORT'],
    [new URL('file:///tmp/socket'), 'ERR_SOCKET_BAD_PORT'],
  ])('rejects the target %s', async (target, code) => {
    const failure = await failureOf(wait(target as EndpointLike, brief))
    expect(failure).toMatchObject({ code })
    expect(failure.message).toMatch(READABLE)
  })

  it.each([
    [null, 'ERR_INVALID_ARG_TYPE'],
    [5, 'ERR_INVALID_ARG_TYPE'],
    [{ signal: {} }, 'ERR_INVALID_ARG_TYPE'],
    [{ timeout: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ timeout: Number.NaN }, 'ERR_OUT_OF_RANGE'],
    [{ timeout: Number.POSITIVE_INFINITY }, 'ERR_OUT_OF_RANGE'],
    [{ timeout: '5' }, 'ERR_INVALID_ARG_TYPE'],
    [{ interval: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ interval: Number.POSITIVE_INFINITY }, 'ERR_OUT_OF_RANGE'],
  ])('rejects the options %o', async (options, code) => {
    expect(await failureOf(wait({ port: 1 }, options as WaitOptions))).toMatchObject({ code })
  })
})

/** A listener as users write it: plain Node, and its sockets are not tracked. */
interface Listener extends AsyncDisposable {
  readonly address: string
  readonly port: number
  accepted(): number
  close(): Promise<void>
}

/** Listens on an address or a path. Without a port it reserves one until it is disposed. */
async function listenOn(address: string, named?: number): Promise<Listener> {
  const path = net.isIP(address) === 0
  const reservation = path || named !== undefined ? undefined : await reservePort({ host: address })
  const port = named ?? reservation?.port ?? 0
  let accepted = 0
  const server = net.createServer((socket) => {
    accepted++
    socket.resume()
  })
  server.listen(path ? { path: address } : { host: address, port })
  await once(server, 'listening')
  const close = (): Promise<void> => new Promise((resolve) => void server.close(() => resolve()))
  return {
    address,
    port,
    accepted: () => accepted,
    close,
    async [Symbol.asyncDispose]() {
      await close()
      await reservation?.release()
    },
  }
}

/** Makes every name resolve to these until the test ends. */
function resolvesTo(...addresses: string[]) {
  const found = addresses.map((address) => ({ address, family: net.isIP(address) }))
  const lookup = vi.spyOn(dns, 'lookup').mockResolvedValue(found as never)
  syncBuiltinESMExports()
  onTestFinished(() => {
    lookup.mockRestore()
    syncBuiltinESMExports()
  })
  return lookup
}

async function turns(count: number): Promise<void> {
  for (let done = 0; done < count; done++) await turn()
}

function failureOf(promise: Promise<unknown>): Promise<PortsideError> {
  return promise.then(
    () => expect.unreachable('it was to fail'),
    (error) => error,
  )
}
