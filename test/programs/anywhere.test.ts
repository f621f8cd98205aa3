import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { beforeEach, describe, expect, it, type TestContext } from 'vitest'
import {
  type Endpoint,
  type Family,
  type ListeningChild,
  type SpawnListeningOptions,
  spawnListening,
  waitForListening,
  waitForRefused,
} from '../../src/index.js'
import { LOOPBACK } from '../../src/loopback/endpoint.js'
import { loopbackFamilies, whyFamilyIsMissing } from '../../src/loopback/probe.js'
import { until } from '../support/clients.js'
import { HERE, HERE_FAMILY } from '../support/here.js'
import { leavesNothingOpen, needsKernel } from '../support/kernel.js'
import { READABLE } from '../support/readable.js'
import { failureOf, fixture, killsAtTheEnd, node, program, start, unready } from './programs.js'

leavesNothingOpen({ lingers: true })
// The tables of Linux, macOS and Windows list the owner of a listener. needsKernel() requires Linux.
beforeEach(needsKernel)

function needsFamilies(context: TestContext, ...families: Family[]): void {
  for (const family of families) {
    const why = whyFamilyIsMissing(family)
    if (why !== undefined) context.skip(why)
  }
}

const anywhere = (code: string, options: SpawnListeningOptions = {}): Promise<ListeningChild> =>
  start(code, { port: 'any', ...options })

/** Prints the ports in the order in which the program opens them. */
const PRINTS = "const print = (one) => one.once('listening', () => console.log(one.address().port));"

const setsid = spawnSync('setsid', ['true']).error?.message

describe("port: 'any'", () => {
  it.for([
    ['the loopback address of IPv4', '127.0.0.1', 'IPv4'],
    ['the loopback address of IPv6', '::1', 'IPv6'],
    ['all addresses of IPv4', '0.0.0.0', 'IPv4'],
    ['all addresses of IPv6', '::', undefined],
  ] as const)('finds a listener on %s', async ([_what, address, family], context) => {
    if (family !== undefined) needsFamilies(context, family)
    await using child = await anywhere(`${PRINTS} print(server(0, '${address}'))`, { ready: /^\d+$/ })
    const reached = family ?? (loopbackFamilies()[0] as Family)
    const endpoint = { address: LOOPBACK[reached], port: Number(child.stdout), family: reached }
    expect(child).toMatchObject({ ...endpoint, endpoint, endpoints: [endpoint], owned: true })
  })

  it('does not set PORT', async () => {
    await using child = await anywhere("server(0); console.log('PORT=' + process.env.PORT)", {
      env: { ...process.env, PORT: '5' },
      ready: /PORT=5/,
    })
    expect(child.port).not.toBe(5)
  })

  it('lists all endpoints in the order of opening, with the match first', async () => {
    const two = `${PRINTS} const first = print(server(0)); first.once('listening', () => print(server(0)))`
    const ready = (): boolean => true
    const found: ListeningChild[] = []
    for (const match of [undefined, { order: 0 }, { order: 1 }]) {
      await using child = await anywhere(two, { ready: [ready, /^\d+$/], ...(match && { match }) })
      found.push(child)
      await until(() => child.stdout.split('\n').length === 3)
      const ports = child.stdout.trim().split('\n').map(Number)
      if (child.endpoints.length < 2) continue
      expect(child.endpoints.map(({ port }) => port)).toEqual(match?.order === 1 ? ports.reverse() : ports)
    }
    expect(found[2]?.endpoints).toHaveLength(2)
  })

  it('waits for a match by port, or by the first open port of a list', async () => {
    await using free = await start('server()')
    const { port } = free
    await free.stop()
    const code = `server(0).once('listening', () => setTimeout(() => server(${port}), 100))`
    await using child = await anywhere(code, { match: { port: [1, port] } })
    expect(child.port).toBe(port)
    expect(child.endpoints).toHaveLength(2)
    const { message, listensOn } = await unready(
      (timeout) => anywhere('server(0)', { match: { port: [1, 2], order: 1 }, timeout }),
      /it listens on/,
    )
    expect(listensOn).toMatchObject([{ address: HERE }])
    expect(message).toContain('expected   a listener of the program on port 1 or 2 that is number 1, counted from 0\n')
    expect(message).toContain('fix        change match, or pass a longer timeout')
    expect(message).toMatch(READABLE)
  })

  it('matches by family, and lists the other family after it', async (context) => {
    needsFamilies(context, 'IPv4', 'IPv6')
    const both = "server(0, '127.0.0.1').once('listening', () => server(0, '::1'))"
    await using child = await anywhere(both, { match: { family: 'IPv6' } })
    expect(child.endpoints.map(({ family }) => family)).toEqual(['IPv6', 'IPv4'])
    await using all = await anywhere("server(0, '::')", { match: { family: 'IPv6' } })
    expect(all.address).toBe('::1')
    const alone = await unready(
      (timeout) => anywhere("server(0, '127.0.0.1')", { match: { family: 'IPv6' }, timeout }),
      /it listens on/,
    )
    expect(alone.message).toContain('expected   a listener of the program by IPv6\n')
  })

  it('waits for a listener that appears late', async () => {
    await using child = await anywhere('setTimeout(() => server(0), 200)')
    expect(child.owned).toBe(true)
  })

  it('finds the listener of a grandchild', async () => {
    const [, code] = program('server(0)')
    await using child = await spawnListening(
      'sh',
      ['-c', 'sh -c \'"$@" & wait\' sh "$@" & wait', 'sh', node, '-e', code],
      {
        port: 'any',
      },
    )
    expect(child).toMatchObject({ address: HERE, owned: true })
  })

  it('finds the listener of a process that left its parent and its session', async (context) => {
    if (setsid !== undefined) context.skip(`setsid cannot be started: ${setsid}`)
    const [, code] = program('server(0)')
    const script = '(setsid "$@" &); exec tail -f /dev/null'
    await using child = await spawnListening('sh', ['-c', script, 'sh', node, '-e', code], { port: 'any' })
    expect(child).toMatchObject({ address: HERE, owned: true })
    await child.stop()
    expect(child.ended.map(({ program }) => program)).toEqual(['tail', 'node'])
  })

  it.each(['round robin', 'none'])('finds the listener of node:cluster workers, scheduling: %s', async (scheduling) => {
    const env = { ...process.env, HOST: HERE, SCHEDULING: scheduling }
    const options = { env, port: 'any', ready: { http: '/', body: /ok/ } } as const
    await using child = await spawnListening(node, [fixture('serve-in-cluster.mjs')], options)
    expect(child.endpoints).toHaveLength(1)
    await child.stop()
    expect(child.ended).toHaveLength(3)
  })
})

describe('waitForListening({ pid })', () => {
  const run = (code: string): ReturnType<typeof spawn> => {
    const child = spawn(node, program(code), { stdio: 'ignore' })
    killsAtTheEnd(child.pid as number)
    return child
  }

  it('finds the listeners of a process, of a ChildProcess, and of its child', async () => {
    const child = run('setTimeout(() => server(0), 50)')
    const found = await waitForListening(child)
    expect(found).toMatchObject([{ address: HERE, family: HERE_FAMILY }])
    expect(await waitForListening({ pid: child.pid }, { ready: ({ port }: Endpoint) => port === found.port })).toEqual(
      found,
    )
    child.kill()
    const [, code] = program('server(0)')
    const shell = spawn('sh', ['-c', '"$@" & wait', 'sh', node, '-e', code], { stdio: 'ignore', detached: true })
    try {
      const below = await waitForListening(shell)
      expect(below).toMatchObject([{ address: HERE }])
      process.kill(-(shell.pid as number), 'SIGKILL')
      // The server may end after the shell.
      await waitForRefused(below)
    } finally {
      shell.kill('SIGKILL')
    }
    await Promise.all([child, shell].map((one) => one.exitCode ?? one.signalCode ?? once(one, 'exit')))
  })

  it('rejects for a process that does not exist, and for a process that exits meanwhile', async () => {
    const child = run('setTimeout(() => {}, 50)')
    const ended = await failureOf(waitForListening(child, { timeout: 20_000 }))
    expect(ended).toMatchObject({ code: 'ERR_PORTSIDE_CHILD_EXITED' })
    expect(ended.message).toContain(`Cannot wait until process ${child.pid} listens: the process has exited.\n`)
    const gone = await failureOf(waitForListening({ pid: child.pid }))
    expect(gone).toMatchObject({ code: 'ESRCH' })
    for (const { message } of [ended, gone]) expect(message).toMatch(READABLE)
  })

  it('reports where a process listens instead, and the condition that is not true', async () => {
    await using child = await start('server(); ')
    const { pid } = child.child
    const isUp = (): boolean => false
    const failure = await unready((timeout) => waitForListening({ pid }, { ready: isUp, timeout }), /false/)
    expect(failure).toMatchObject({ code: 'ERR_PORTSIDE_WAIT_TIMEOUT', listensOn: [child.endpoint] })
    expect(failure.message).toContain('got        isUp() returned false\n')
    const idle = run('stay()')
    const nowhere = await unready((timeout) => waitForListening(idle, { timeout }), /nowhere/)
    expect(nowhere.message).toContain('cause      it listens nowhere\n')
    for (const { message } of [failure, nowhere]) expect(message).toMatch(READABLE)
    idle.kill()
    await once(idle, 'exit')
  })

  it.each([0, -1, 1.5, '5', null, Number.NaN, undefined])('rejects the pid %o', async (pid) => {
    const failure = await failureOf(waitForListening({ pid: pid as number }))
    expect(failure).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE', argument: 'pid' })
    expect(failure.message).toContain(`got ${typeof pid === 'string' ? `'${pid}'` : pid}`)
    expect(failure.message).toMatch(READABLE)
  })

  it('rejects a condition on output, which it does not read', async () => {
    const ready = [/up/] as unknown as () => boolean
    const failure = await failureOf(waitForListening({ pid: process.pid }, { ready }))
    expect(failure).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE', argument: 'ready' })
    expect(failure.message).toMatch(READABLE)
  })
})
