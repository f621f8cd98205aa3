import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { chmod, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { beforeEach, describe, expect, it, onTestFinished, type TestContext } from 'vitest'
import {
  type Endpoint,
  type Family,
  type ListeningChild,
  listenTcp,
  loopbackFamilies,
  reservePort,
  type SpawnListeningOptions,
  spawnListening,
} from '../../src/index.js'
import { whyFamilyIsMissing } from '../../src/loopback/probe.js'
import { whyNoDescriptorPassing } from '../../src/platform/descriptor-passing.js'
import { descendantsOf } from '../../src/platform/process-tree.js'
import { keptFree } from '../ports/kept-free.js'
import { until, watch } from '../support/clients.js'
import { HERE, HERE_IN_URL } from '../support/here.js'
import { acceptQueueLength, leavesNothingOpen, needsKernel } from '../support/kernel.js'
import { READABLE } from '../support/readable.js'
import { failureOf, fixture, killsAtTheEnd, node, runs } from './programs.js'

leavesNothingOpen({ lingers: true })

const FAMILIES = loopbackFamilies()
const PLACES: Array<Family | 'dual'> = FAMILIES.length < 2 ? FAMILIES : [...FAMILIES, 'dual']
const ADDRESS: Record<Family | 'dual', string> = { IPv4: '127.0.0.1', IPv6: '::1', dual: '127.0.0.1,::1' }

const programs = new URL('../../fixtures/programs/', import.meta.url)

/** The interpreter itself: the program in PATH may only look for one. */
const python = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' })
const whyNoPython = python.error?.message ?? (python.status === 0 ? undefined : python.stderr.trim())
const whyNoShell = spawnSync('sh', ['-c', ':']).error?.message

function needsShell(context: TestContext): void {
  if (whyNoShell !== undefined) context.skip(`sh cannot be started: ${whyNoShell}`)
}

function needsFamily(context: TestContext, family: Family): void {
  const why = whyFamilyIsMissing(family)
  if (why !== undefined) context.skip(why)
}

function needsDescriptorPassing(context: TestContext): void {
  const why = whyNoDescriptorPassing('node')
  if (why !== undefined) context.skip(why)
}

/** By descriptor, a program that never accepts is ready only by a condition. */
const byDescriptor = { by: 'descriptor' } as const
const PROGRAM_RUNS = { ...byDescriptor, ready: () => true } as const

type Ended = Error & { exitCode: number; stdout: string; stderr: string }

/** The exit of a program that was not ready. */
async function endOf(starting: Promise<ListeningChild>): Promise<Ended> {
  const failure = await failureOf(starting)
  expect(failure).toMatchObject({ code: 'ERR_PORTSIDE_CHILD_EXITED' })
  return failure as Ended
}

describe('spawnListening by descriptor', () => {
  beforeEach((context) => {
    needsDescriptorPassing(context)
    needsShell(context)
  })

  describe.each([
    { name: 'a Node program', command: node, args: [fixture('serve-descriptor.mjs')] },
    {
      name: 'a Python program',
      missing: whyNoPython && `python3 cannot be started: ${whyNoPython}`,
      command: python.stdout?.trim(),
      args: [fixture('serve-descriptor.py')],
    },
    {
      name: 'a shell script',
      command: 'sh',
      args: [fixture('serve-descriptor.sh'), node, fixture('serve-descriptor.mjs')],
    },
  ])('$name', ({ missing, command, args }) => {
    beforeEach((context) => {
      if (missing) context.skip(missing)
    })

    it.each(PLACES)('serves on the descriptors from 3 on: %s', async (family) => {
      await using child = await spawnListening(command, args, { by: 'descriptor', family })
      expect(child.endpoints.map(({ address }) => address).join()).toBe(ADDRESS[family])
      expect(child).toMatchObject({ ...child.endpoint })
      for (const endpoint of child.endpoints) {
        const { said, pid, env } = await ask(endpoint, `hello ${endpoint.family}`)
        expect(said).toBe(`hello ${endpoint.family}`)
        expect(pid).toBe(child.child.pid)
        expect(env).toMatchObject({
          LISTEN_FDS: String(child.endpoints.length),
          LISTEN_PID: String(pid),
        })
        expect(env.PORT).toBe(process.env.PORT)
      }
      await child.stop()
    })
  })

  it('has the pid in LISTEN_PID from the first line of the program', async () => {
    const starting = spawnListening('sh', [fixture('serve-descriptor.sh'), node, '-e', ''], byDescriptor)
    const { stdout } = await endOf(starting)
    expect(stdout).toMatch(/^(\d+) \1\n$/)
  })

  it.for(PLACES)('passes the listening sockets and no other descriptor: %s', async (family, context) => {
    needsKernel(context)
    const list = ['sh', ['-c', 'ls /proc/$$/fd']] as const
    const { stdout } = await endOf(spawnListening(...list, { ...byDescriptor, family }))
    const sockets = family === 'dual' ? ['3', '4'] : ['3']
    // Descriptors that this process inherited pass to its children.
    const inherited = spawnSync(...list, { encoding: 'utf8' }).stdout.split('\n')
    expect(stdout.split('\n').filter((fd) => !inherited.includes(fd))).toEqual(sockets)
  })

  it('serves clients that connected before the program accepts; the parent accepts none of them', async (context) => {
    needsKernel(context)
    await using child = await spawnListening(node, [fixture('serve-when-told.mjs')], PROGRAM_RUNS)
    const clients = Array.from({ length: 100 }, () => watch(net.connect({ host: child.address, port: child.port })))
    await Promise.all(clients.map(({ connected }) => connected))
    expect(acceptQueueLength(child.port)).toBe(100)
    for (const client of clients) client.write('who')
    await until(() => child.stdout === 'ready\n')
    process.kill(child.child.pid as number, 'SIGUSR2')
    await Promise.all(clients.map(({ closed }) => closed))
    expect(clients.flatMap(({ errors }) => errors)).toEqual([])
    expect(new Set(clients.map((client) => JSON.parse(client.text()).pid))).toEqual(new Set([child.child.pid]))
    await child.stop()
  })

  it('never refuses, resets or ignores a connect from outside', async () => {
    await using reservation = await reservePort()
    const [{ address, port }] = reservation.endpoints as [Endpoint]
    const dialler = spawn(node, [fixture('connect-until-answered.mjs'), address, String(port), '200'])
    onTestFinished(() => void dialler.kill('SIGKILL'))
    const [said, closed] = [collect(dialler.stdout), once(dialler, 'close')]
    await until(() => said().includes('ready\n'))
    await using child = await spawnListening(node, [fixture('serve-descriptor.mjs')], {
      by: 'descriptor',
      port: reservation,
    })
    await closed
    const seen = JSON.parse(said().replace('ready\n', ''))
    expect(seen).toEqual({ answers: { [String(child.child.pid)]: 200 }, errors: [] })
    await child.stop()
  })

  it('has an accept queue of the requested length', async (context) => {
    needsKernel(context)
    await using child = await spawnListening('sh', [fixture('never-listen.sh')], { ...PROGRAM_RUNS, backlog: 1 })
    const clients = Array.from({ length: 8 }, () => watch(net.connect({ host: child.address, port: child.port })))
    await Promise.race(clients.map(({ connected }) => connected))
    // The kernel queues one more connection than the backlog, and drops the next (listen(2)).
    await until(() => clients.filter(({ socket }) => !socket.connecting).length === 2)
    expect(acceptQueueLength(child.port)).toBe(2)
    for (const { socket } of clients) socket.destroy()
    await child.stop()
  })

  it('rejects with the output of a program that exits before it accepts', async () => {
    const failure = await endOf(spawnListening('sh', ['-c', 'echo out; echo err >&2; exit 7'], byDescriptor))
    expect(failure).toMatchObject({ exitCode: 7, signal: null, stdout: 'out\n', stderr: 'err\n' })
  })

  it('rejects if the program runs but does not accept, and ends it', async () => {
    const starting = spawnListening('sh', [fixture('never-listen.sh')], { ...byDescriptor, timeout: 300 })
    const failure = await failureOf(starting)
    expect(failure).toMatchObject({ code: 'ERR_PORTSIDE_NOT_READY' })
    expect(failure.message).toMatch(
      /expected {3}the program to accept a connection to \S+, which it has as descriptor 3/,
    )
  })

  it('keeps the end of the output', async () => {
    const code = "process.stdout.write('é'.repeat(100_000) + 'end'); process.stderr.write('x'.repeat(100_000) + 'end')"
    const { stdout, stderr } = await endOf(spawnListening(node, ['-e', code], byDescriptor))
    expect(stdout).toBe(`${'é'.repeat(16_381)}end`)
    expect(stderr).toBe(`${'x'.repeat(16_381)}end`)
  })

  it('notices the exit of a program even if a process that it left keeps its output open', async () => {
    const { stdout } = await endOf(spawnListening('sh', ['-c', 'tail -f /dev/null & echo $!'], byDescriptor))
    expect(runs(Number(stdout))).toBe(false)
  })
})

describe('spawnListening by port', () => {
  const byPort = { by: 'port' } as const

  it.each(PLACES)('serves on the port in PORT: %s', async (family) => {
    const env = { ...process.env, HOSTS: ADDRESS[family] }
    await using child = await spawnListening(node, [fixture('serve-port.mjs')], { ...byPort, family, env })
    expect(child.endpoints.map(({ address }) => address).join()).toBe(ADDRESS[family])
    for (const endpoint of child.endpoints) {
      const { pid, env } = await ask(endpoint)
      expect(pid).toBe(child.child.pid)
      expect(env.PORT).toBe(String(child.port))
      expect(env).not.toHaveProperty('LISTEN_FDS')
    }
    await child.stop()
  })

  it('passes no descriptor', async (context) => {
    needsKernel(context)
    const list = ['sh', ['-c', 'ls /proc/$$/fd']] as const
    const { stdout } = (await failureOf(spawnListening(...list, byPort))) as Error & { stdout: string }
    expect(stdout).toBe(spawnSync(...list, { encoding: 'utf8' }).stdout)
  })

  it('ends the server that a shell script started as its child', async (context) => {
    needsShell(context)
    const args = [fixture('start-child-server.sh'), node, fixture('serve-port.mjs')]
    await using child = await spawnListening('sh', args, byPort)
    const server = Number(child.stdout)
    killsAtTheEnd(server)
    expect((await ask(child)).pid).toBe(server)
    expect(server).not.toBe(child.child.pid)
    await child.stop()
    expect([child.child.pid as number, server].filter(runs)).toEqual([])
  })

  it('ends the server that a thread of the program started', async () => {
    await using child = await spawnListening(node, [fixture('start-server-in-thread.mjs')], byPort)
    await until(() => child.stdout.endsWith('\n'))
    const server = Number(child.stdout)
    killsAtTheEnd(server)
    expect((await ask(child)).pid).toBe(server)
    await child.stop()
    expect([child.child.pid as number, server].filter(runs)).toEqual([])
  })

  it('ends, after the grace, a server that ignores the signal that ended its shell script', async (context) => {
    needsShell(context)
    const script = '"$@" & echo "$!"; wait'
    const ignore = [node, '--import', pathToFileURL(fixture('ignore-sigterm.mjs')).href, fixture('serve-port.mjs')]
    await using child = await spawnListening('sh', ['-c', script, 'sh', ...ignore], { ...byPort, grace: 50 })
    const server = Number.parseInt(child.stdout, 10)
    killsAtTheEnd(server)
    expect((await ask(child)).pid).toBe(server)
    await child.stop()
    expect(runs(server)).toBe(false)
  })

  it('rejects with the output of a program that exits before it listens', async () => {
    const failure = await failureOf(spawnListening(node, [fixture('die-before-listening.mjs')], byPort))
    expect(failure).toMatchObject({
      code: 'ERR_PORTSIDE_CHILD_EXITED',
      exitCode: 3,
      signal: null,
      stderr: 'no configuration in /etc/nowhere\n',
      stdout: '',
    })
    expect(failure.message).toContain(`Cannot start ${node}: the program exited with code 3 before it was ready.\n`)
    expect(failure.message).toContain(
      '\n  got        this output of the program\n    no configuration in /etc/nowhere\n  fix        ',
    )
  })

  it.each([
    [
      'is ended by a signal',
      "process.kill(process.pid, 'SIGKILL')",
      { exitCode: null, signal: 'SIGKILL' },
      'was ended by SIGKILL before it was ready.\n  got        no output of the program\n  fix        ',
    ],
    [
      'exits with code 0',
      "console.log('done')",
      { exitCode: 0, stdout: 'done\n' },
      'exited with code 0 before it was ready.\n  got        this output of the program\n    done\n  fix        ',
    ],
  ])('rejects when the program %s before it listens', async (_how, code, fields, message) => {
    const failure = await failureOf(spawnListening(node, ['-e', code], byPort))
    expect(failure).toMatchObject({ code: 'ERR_PORTSIDE_CHILD_EXITED', ...fields })
    expect(failure.message).toContain(`Cannot start ${node}: the program ${message}`)
  })

  it('rejects with the output of a program that never listens, and ends it', async (context) => {
    needsShell(context)
    const pidFile = join(await directory(), 'pid')
    const starting = spawnListening('sh', [fixture('never-listen.sh'), pidFile], { ...byPort, timeout: 500 })
    const failure = await failureOf(starting)
    const pid = Number(readFileSync(pidFile, 'utf8'))
    expect(failure).toMatchObject({
      code: 'ERR_PORTSIDE_NOT_READY',
      stderr: 'looking for a database\n',
      stdout: '',
      output: expect.stringContaining('looking for a database'),
      lastAnswer: { error: { code: 'ECONNREFUSED' } },
    })
    expect(failure.message).toContain(`Cannot start sh: it runs (pid ${pid}) but is not ready after 500 ms.\n`)
    expect(failure.message).toMatch(/^ {2}got {8}\S+: ECONNREFUSED \(connection refused\).*; and this output/m)
    expect(failure.message).toContain('this output of the program\n    looking for a database\n')
    expect(runs(pid)).toBe(false)
  })

  it('ends the program if the signal aborts before it listens', async (context) => {
    needsShell(context)
    const pidFile = join(await directory(), 'pid')
    const abort = new AbortController()
    const options = { ...byPort, timeout: 60_000, grace: 60_000, signal: abort.signal }
    const starting = spawnListening('sh', [fixture('never-listen.sh'), pidFile], options)
    await until(() => existsSync(pidFile))
    const reason = new Error('enough')
    abort.abort(reason)
    expect(await failureOf(starting)).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: reason })
    expect(runs(Number(readFileSync(pidFile, 'utf8')))).toBe(false)
  })
})

/** One contract for both ways to hand over a port. */
const WAYS = [
  { by: 'descriptor', server: fixture('serve-descriptor.mjs') },
  { by: 'port', server: fixture('serve-port.mjs') },
] as const

describe.each(WAYS)('spawnListening by $by', ({ by, server }) => {
  beforeEach((context) => {
    if (by === 'descriptor') needsDescriptorPassing(context)
  })

  const start = (options: SpawnListeningOptions = {}, ...args: string[]): Promise<ListeningChild> =>
    spawnListening(node, [server, ...args], { by, ...options })

  it('serves on the first loopback family by default', async () => {
    await using child = await start()
    expect(child).toMatchObject({ address: ADDRESS[FAMILIES[0] as Family], family: FAMILIES[0] })
    expect(child.endpoints).toEqual([child.endpoint])
    await child.stop()
  })

  it('serves on the address in host', async () => {
    const host = ADDRESS[FAMILIES[0] as Family]
    await using child = await start({ host })
    expect((await ask(child)).pid).toBe(child.child.pid)
    expect(child.address).toBe(host)
    await child.stop()
  })

  it('passes arguments unchanged: no shell reads them', async () => {
    const args = [
      'two words',
      "it's",
      '"',
      '$(echo no)',
      '`echo no`',
      '$HOME',
      '~',
      '*',
      'a\nb',
      '\\',
      '',
      ';exit 3',
      'é',
    ]
    const leading = ['-c', '--', '-', '--port=1', '&', '|', '>', '#']
    await using child = await start({}, ...args, ...leading)
    expect((await ask(child)).args).toEqual([...args, ...leading])
    await child.stop()
  })

  it('starts a program whose path has blanks and quotes', async (context) => {
    needsShell(context)
    const program = join(await directory(), `it's "a" $(program)`)
    await writeFile(program, '#!/bin/sh\nexec "$@"\n')
    await chmod(program, 0o755)
    await using child = await spawnListening(program, [node, server], { by })
    expect((await ask(child)).pid).toBe(child.child.pid)
    await child.stop()
  })

  it('passes the environment, with its own PORT', async () => {
    const env = { PATH: process.env.PATH, ONE: "it's $(one)\nor two", EMPTY: '', PORT: '1' }
    await using child = await start({ env })
    expect((await ask(child)).env).toMatchObject(by === 'port' ? { ...env, PORT: String(child.port) } : env)
    await child.stop()
  })

  it('passes only the environment in env', async () => {
    const all = { PWD: '/nowhere', OLDPWD: "it's /old", SHLVL: '7', PORTSIDE_GO: 'go', HOME: '' }
    for (const env of [{ PATH: process.env.PATH }, { PATH: process.env.PATH, ...all }]) {
      await using child = await start({ env })
      // bash(1) as sh adds the last variable.
      const { PORT, LISTEN_FDS, LISTEN_PID, PORTSIDE_PROGRAM, _, ...seen } = (await ask(child)).env
      expect(seen).toEqual(env)
      await child.stop()
    }
  })

  it('passes variables whose names are invalid in a shell', async () => {
    const env = { ...process.env, 'dotted.name': 'one', 'with-dashes': 'two' }
    await using child = await start({ env })
    expect((await ask(child)).env).toMatchObject({ 'dotted.name': 'one', 'with-dashes': 'two' })
    await child.stop()
  })

  it.each([
    ['a path', (path: string) => path],
    ['a URL', (path: string) => pathToFileURL(path)],
  ])('starts the program in the working directory: %s', async (_kind, cwdOf) => {
    const cwd = await realpath(await directory())
    await using child = await start({ cwd: cwdOf(cwd) })
    expect((await ask(child)).cwd).toBe(cwd)
    await child.stop()
  })

  it('finds a relative path in the working directory', async (context) => {
    needsShell(context)
    const cwd = await directory()
    await writeFile(join(cwd, 'program'), '#!/bin/sh\nexec "$@"\n')
    await chmod(join(cwd, 'program'), 0o755)
    await using child = await spawnListening('./program', [node, server], { by, cwd })
    expect((await ask(child)).pid).toBe(child.child.pid)
    await child.stop()
  })

  it('serves on a reserved port, which stays held for the next start', async () => {
    await using reservation = await reservePort()
    for (let round = 0; round < 2; round++) {
      await using child = await start({ port: reservation })
      expect(child.endpoints).toEqual(reservation.endpoints)
      expect((await ask(child)).pid).toBe(child.child.pid)
      await child.stop()
      expect(reservation.held).toBe(true)
      expect(await dial(child)).toBe('ECONNREFUSED')
    }
  })

  it('serves on the given port', async () => {
    await using free = await keptFree()
    await using child = await start({ host: HERE, port: free.port })
    expect(child.port).toBe(free.port)
    expect((await ask(child)).pid).toBe(child.child.pid)
    await child.stop()
  })

  it('rejects a port that is taken', async () => {
    await using holder = await listenTcp()
    const failure = await failureOf(start({ port: holder.port }))
    expect(failure).toMatchObject({ code: 'EADDRINUSE' })
    expect(failure.message).toContain(String(holder.port))
  })

  it('rejects a released reservation', async () => {
    const reservation = await reservePort()
    await reservation.release()
    expect(await failureOf(start({ port: reservation }))).toMatchObject({ code: 'ERR_PORTSIDE_RESERVATION_RELEASED' })
  })

  it('rejects the reservation of a UDP port', async () => {
    await using reservation = await reservePort({ protocol: 'udp' })
    expect(await failureOf(start({ port: reservation }))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
    expect(reservation.held).toBe(true)
  })

  it('rejects a reservation that does not cover host', async (context) => {
    needsFamily(context, 'IPv4')
    needsFamily(context, 'IPv6')
    await using reservation = await reservePort({ family: 'IPv4' })
    for (const elsewhere of [{ family: 'IPv6' }, { family: 'dual' }, { host: '::1' }] as const) {
      const failure = await failureOf(start({ port: reservation, ...elsewhere }))
      expect(failure).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
    }
  })

  it('stop() stops once, even if called twice, and resolves to the exit of the program', async () => {
    await using reservation = await reservePort()
    await using child = await start({ port: reservation })
    const pid = child.child.pid as number
    const stopping = child.stop()
    expect(child.stop('SIGINT')).toBe(stopping)
    expect(await stopping).toEqual({ code: null, signal: 'SIGTERM' })
    expect(await child.stop()).toEqual({ code: null, signal: 'SIGTERM' })
    expect(await child.exited).toEqual({ code: null, signal: 'SIGTERM' })
    expect(runs(pid)).toBe(false)
    expect(await dial(child)).toBe('ECONNREFUSED')
  })

  it('stops by the given signal', async () => {
    await using child = await start()
    expect(await child.stop('SIGINT')).toEqual({ code: null, signal: 'SIGINT' })
  })

  it('rejects an unknown signal, and stops on the next call', async () => {
    const child = await start()
    killsAtTheEnd(child.child.pid as number)
    expect(await failureOf(child.stop('SIGNOTHING' as NodeJS.Signals))).toMatchObject({ code: 'ERR_UNKNOWN_SIGNAL' })
    expect(await child.stop()).toEqual({ code: null, signal: 'SIGTERM' })
  })

  it('ends a program that ignores the signal by SIGKILL after the grace', async () => {
    const args = ['--import', pathToFileURL(fixture('ignore-sigterm.mjs')).href, server]
    await using child = await spawnListening(node, args, { by, grace: 50 })
    await ask(child)
    expect(await child.stop()).toEqual({ code: null, signal: 'SIGKILL' })
    expect(child.stdout).toBe('ready\nnot now\n')
  })

  it('leaves no descriptor open', async (context) => {
    needsKernel(context)
    const descriptors = (): number => readdirSync('/proc/self/fd').length
    const before = descriptors()
    const children = await Promise.all([start(), start(), start()])
    await Promise.all(children.map((child) => child.stop()))
    expect(descriptors()).toBe(before)
  })

  it('stops at the end of an await using block', async () => {
    let pid: number
    {
      await using child = await start()
      pid = child.child.pid as number
    }
    expect(runs(pid)).toBe(false)
  })

  it('rejects on disposal if the program failed before', async () => {
    const child = await start()
    process.kill(child.child.pid as number, 'SIGKILL')
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' })
    const failure = await failureOf(child[Symbol.asyncDispose]())
    expect(failure).toMatchObject({ code: 'ERR_PORTSIDE_CHILD_EXITED', exitCode: null, signal: 'SIGKILL' })
    expect(failure.message).toContain('The program was ended by SIGKILL before stop() was called.\n')
  })

  it('resolves on disposal if stop() was called before', async () => {
    const child = await start()
    process.kill(child.child.pid as number, 'SIGKILL')
    await child.exited
    expect(await child.stop()).toEqual({ code: null, signal: 'SIGKILL' })
    await child[Symbol.asyncDispose]()
  })

  it('resolves on disposal if the program exited with code 0', async () => {
    const end = pathToFileURL(fixture('end-on-sigusr2.mjs')).href
    const child = await spawnListening(node, ['--import', end, server], { by })
    await ask(child)
    process.kill(child.child.pid as number, 'SIGUSR2')
    expect(await child.exited).toEqual({ code: 0, signal: null })
    await child[Symbol.asyncDispose]()
  })

  it('rejects an aborted signal', async () => {
    const reason = new Error('enough')
    const failure = await failureOf(start({ signal: AbortSignal.abort(reason) }))
    expect(failure).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: reason })
  })

  it('starts nothing if the signal aborts meanwhile', async () => {
    const abort = new AbortController()
    const starting = start({ signal: abort.signal })
    abort.abort()
    expect(await failureOf(starting)).toMatchObject({ code: 'ABORT_ERR' })
  })

  it('starts nothing on a reserved port if the signal aborts meanwhile', async () => {
    await using reservation = await reservePort()
    const abort = new AbortController()
    const starting = start({ port: reservation, signal: abort.signal })
    abort.abort()
    expect(await failureOf(starting)).toMatchObject({ code: 'ABORT_ERR' })
    expect(reservation.held).toBe(true)
  })

  it('stops the program if the signal aborts later', async () => {
    const abort = new AbortController()
    await using child = await start({ signal: abort.signal })
    abort.abort()
    expect(await child.exited).toEqual({ code: null, signal: 'SIGTERM' })
  })

  it.each([
    ['a name that is not in PATH', 'portside-no-such-program', 'ENOENT', 'no such file'],
    ['a path that does not exist', './no/such/program', 'ENOENT', 'no such file'],
    ['a directory', fixture(''), 'ENOENT', 'no such file'],
    ['a file that is not executable', fixture('serve-descriptor.py'), 'EACCES', 'a file that is not executable'],
  ])('rejects %s as a program', async (_what, command, code, actual) => {
    const failure = await failureOf(spawnListening(command, ['argument'], { by }))
    expect(failure).toMatchObject({ code, syscall: 'spawn', path: command, spawnargs: ['argument'] })
    expect(failure.message).toContain(`Cannot start ${command}.\n`)
    expect(failure.message).toContain(`\n  got        ${actual}\n`)
    expect(failure.message).toMatch(READABLE)
  })

  it('rejects a script whose interpreter does not exist', async (context) => {
    needsShell(context)
    const script = join(await directory(), 'script')
    await writeFile(script, '#!/no/such/interpreter\n', { mode: 0o755 })
    const failure = await failureOf(spawnListening(script, [], { by }))
    expect(failure).toMatchObject({ code: 'ENOENT', syscall: `spawn ${script}` })
    expect(failure.message).toContain(`Cannot start ${script}.\n`)
    expect(failure.message).toContain('interpreter')
    expect(failure.message).toMatch(READABLE)
  })

  it('ends processes that the program started and left, by stop() and after its exit', async (context) => {
    needsShell(context)
    const script = '(sleep 1000 & echo $!); [ "$1" = stay ] || exit 0; shift; exec "$@"'
    for (const how of ['stay', 'leave']) {
      const starting = spawnListening('sh', ['-c', script, 'sh', how, node, server], { by })
      // By port, a program that exits before it listens is an error, which also has the output.
      const child = await starting.catch((error) => ({ ...error, stop: () => {} }))
      await until(() => child.stdout.includes('\n'))
      const orphan = Number.parseInt(child.stdout, 10)
      killsAtTheEnd(orphan)
      await child.stop()
      await until(() => !runs(orphan))
    }
  })

  it('shows the program instead of the shell', async () => {
    await using child = await start({}, 'argument')
    expect(child.child).toMatchObject({ spawnfile: node, spawnargs: [node, server, 'argument'], stdin: null })
    expect(child.child.stdio[0]).toBeNull()
    await child.stop()
  })

  it('rejects a working directory that does not exist or is a file', async () => {
    const missing = await failureOf(start({ cwd: join(await directory(), 'missing') }))
    expect(missing).toMatchObject({ code: 'ENOENT' })
    expect(missing.message).toMatch(READABLE)
    expect(missing.message).toContain('working directory')
    const file = await failureOf(start({ cwd: fixture('serve-port.mjs') }))
    expect(file).toMatchObject({ code: 'ENOTDIR' })
    expect(file.message).toMatch(READABLE)
  })

  it('rejects an argument that is too long for the system', async () => {
    const failure = await failureOf(start({}, 'x'.repeat(4_000_000)))
    expect(failure).toMatchObject({ code: 'E2BIG' })
    expect(failure.message).toMatch(READABLE)
  })

  it.each([
    [{ backlog: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ backlog: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ grace: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ grace: Number.NaN }, 'ERR_OUT_OF_RANGE'],
    [{ by: 'x' }, 'ERR_INVALID_ARG_VALUE'],
    [{ family: 'IPv5' }, 'ERR_INVALID_ARG_VALUE'],
    [{ family: 'dual', host: HERE }, 'ERR_INVALID_ARG_VALUE'],
    [{ host: 5 }, 'ERR_INVALID_ARG_TYPE'],
    [{ host: 'a..b' }, 'ENOTFOUND'],
    [{ host: '192.0.2.200' }, 'EADDRNOTAVAIL'],
    [{ port: -1 }, 'ERR_SOCKET_BAD_PORT'],
    [{ port: 65_536 }, 'ERR_SOCKET_BAD_PORT'],
    [{ port: '80' }, 'ERR_SOCKET_BAD_PORT'],
    [{ port: null }, 'ERR_SOCKET_BAD_PORT'],
    [{ signal: {} }, 'ERR_INVALID_ARG_TYPE'],
    [{ env: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ cwd: 5 }, 'ERR_INVALID_ARG_TYPE'],
  ])('rejects the options %o', async (options, code) => {
    const failure = await failureOf(start(options as SpawnListeningOptions))
    expect(failure).toMatchObject({ code })
    // Node's own error.
    if (!('cwd' in options)) expect(failure.message).toMatch(READABLE)
  })

  it('rejects a working directory that is not a file: URL', async () => {
    expect(await failureOf(start({ cwd: new URL(`http://${HERE_IN_URL}/`) }))).toMatchObject({
      code: 'ERR_INVALID_URL_SCHEME',
    })
  })
})

describe('spawnListening', () => {
  it.each([
    ['', [], 'ERR_INVALID_ARG_VALUE'],
    [5, [], 'ERR_INVALID_ARG_TYPE'],
    [null, [], 'ERR_INVALID_ARG_TYPE'],
    ['a\0b', [], 'ERR_INVALID_ARG_VALUE'],
    ['node', 'args', 'ERR_INVALID_ARG_TYPE'],
    ['node', [5], 'ERR_INVALID_ARG_TYPE'],
    ['node', null, 'ERR_INVALID_ARG_TYPE'],
  ])('rejects %o with %o', async (command, args, code) => {
    const failure = await failureOf(spawnListening(command as string, args as string[]))
    expect(failure).toMatchObject({ code })
    expect(failure.message).toMatch(READABLE)
  })

  it('rejects an argument with a null byte', async () => {
    expect(await failureOf(spawnListening(node, ['a\0b']))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
    for (const options of [{ env: { A: 'a\0b' } }, { env: { 'A\0': 'b' } }, { cwd: '' }, { cwd: 'a\0b' }]) {
      expect(await failureOf(spawnListening(node, [], options))).toMatchObject({
        code: 'ERR_INVALID_ARG_VALUE',
        argument: Object.keys(options)[0],
      })
    }
  })

  it.each([null, 5, 'options'])('rejects %o as options', async (options) => {
    const failure = await failureOf(spawnListening(node, [], options as unknown as SpawnListeningOptions))
    expect(failure).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' })
  })

  it('rejects an invalid timeout', async () => {
    const failure = await failureOf(spawnListening(node, ['-e', ''], { by: 'port', timeout: -1 }))
    expect(failure).toMatchObject({ code: 'ERR_OUT_OF_RANGE' })
  })

  it.each([
    { by: 'descriptor', how: 'exit' },
    { by: 'descriptor', how: 'throw' },
    { by: 'descriptor', how: 'SIGKILL' },
    { by: 'port', how: 'exit' },
    { by: 'port', how: 'throw' },
    // As a test runner ends its workers.
    { by: 'port', how: 'SIGTERM' },
    { by: 'port', how: 'SIGKILL' },
  ])('leaves no program when the parent ends: by $by, $how', async ({ by, how }) => {
    const server = WAYS.find((way) => way.by === by)?.server
    const [pid] = await leaveChild({ command: node, args: [server], options: { by }, lines: 0, how })
    await until(() => !runs(pid as number))
  })

  it.each(['exit', 'SIGKILL'])('leaves no server of a shell script when the parent ends: %s', async (how) => {
    const args = [fixture('start-child-server.sh'), node, fixture('serve-port.mjs')]
    const pids = await leaveChild({ command: 'sh', args, options: { by: 'port' }, lines: 1, how })
    expect(pids).toHaveLength(2)
    await until(() => !pids.some(runs))
  })

  it('leaves no program when its thread ends', async () => {
    const thread = new Worker(new URL('start-and-wait.mjs', programs))
    const [pid] = await once(thread, 'message')
    killsAtTheEnd(pid)
    expect(runs(pid)).toBe(true)
    await thread.terminate()
    await until(() => !runs(pid))
  })

  it('starts one watchdog, which exits with the last program', async (context) => {
    needsKernel(context)
    // The watchdog of an ended thread exits after its program.
    await until(() => shells().length === 0)
    const [first, second] = await Promise.all(
      [1, 2].map(() => spawnListening(node, [fixture('serve-descriptor.mjs')], { by: 'descriptor' })),
    )
    expect(shells()).toHaveLength(1)
    await first?.stop()
    expect(shells()).toHaveLength(1)
    await second?.stop()
    expect(shells()).toEqual([])
  })
})

/** The watchdogs of this process. */
const shells = (): number[] =>
  descendantsOf(process.pid)
    .map(({ pid }) => pid)
    .filter((pid) => runs(pid) && commandOf(pid).includes('portside-watchdog'))

/** Empty for a process that has exited. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

/** The answers of the serve-*.* programs. */
interface Answer {
  readonly said: string
  readonly pid: number
  readonly env: Record<string, string | undefined>
  readonly args: string[]
  readonly cwd: string
}

async function ask({ address, port }: Pick<Endpoint, 'address' | 'port'>, said = 'hello'): Promise<Answer> {
  const client = watch(net.connect({ host: address, port }))
  client.write(said)
  await client.closed
  expect(client.errors).toEqual([])
  return JSON.parse(Buffer.from(client.text(), 'latin1').toString())
}

/** The code with which a connect fails, or undefined. */
function dial({ address, port }: Pick<Endpoint, 'address' | 'port'>): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port })
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code))
    socket.once('connect', () => void socket.destroy().once('close', () => resolve(undefined)))
  })
}

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'portside-test-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

function collect(stream: Readable): () => string {
  let text = ''
  stream.setEncoding('utf8').on('data', (more: string) => {
    text += more
  })
  return () => text
}

/** Starts a program from a parent that ends meanwhile. Resolves to the pids of the processes that it left. */
async function leaveChild(job: object): Promise<number[]> {
  const parent = spawn(node, [fixture('leave-child.mjs'), JSON.stringify(job)])
  const [said, complained] = [collect(parent.stdout), collect(parent.stderr)]
  // Not 'close': a process that it left may have its pipes.
  await once(parent, 'exit')
  parent.stdout.destroy()
  parent.stderr.destroy()
  const pids = said().match(/\d+/g)?.map(Number) ?? []
  killsAtTheEnd(...pids)
  expect(pids, complained()).not.toEqual([])
  return pids
}
