import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, type TestContext } from 'vitest'
import {
  type Endpoint,
  type Family,
  formatEndpoint,
  listenTcp,
  loopbackFamilies,
  reservePort,
  type SpawnListeningOptions,
  spawnListening,
} from '../../src/index.js'
import { whyFamilyIsMissing } from '../../src/loopback/probe.js'
import { until } from '../support/clients.js'
import { HERE, HERE_IN_URL } from '../support/here.js'
import { leavesNothingOpen, needsKernel } from '../support/kernel.js'
import { pidsWith } from '../support/processes.js'
import { READABLE } from '../support/readable.js'
import { type Failure, failureOf, fixture, node, runs, start, unready } from './programs.js'

leavesNothingOpen({ lingers: true })

function needsFamilies(context: TestContext, ...families: Family[]): void {
  for (const family of families) {
    const why = whyFamilyIsMissing(family)
    if (why !== undefined) context.skip(why)
  }
}

const never = (code: string, seen: RegExp, options: SpawnListeningOptions = {}): Promise<Failure> =>
  unready((timeout) => start(code, { ...options, timeout }), seen)

describe('a program that does not start', () => {
  it.each([
    ['portside-no-such-program', 'ENOENT', 'got        no such file\n  cause      no directory in PATH has it\n'],
    [
      './no/such/program',
      'ENOENT',
      'got        no such file\n  fix        pass the path of the program; for a script, ',
    ],
    [fixture('never-listen.sh'), 'EACCES', 'got        a file that is not executable\n  fix        pass the path'],
  ])('%s: %s', async (command, code, text) => {
    const failure = await failureOf(spawnListening(command))
    expect(failure).toMatchObject({ code, syscall: 'spawn', path: command })
    expect(failure.message).toContain(text)
    expect(failure.message).toMatch(READABLE)
  })
})

describe('a program that exits', () => {
  it('immediately, with code 0 and with another code', async () => {
    const [fine, bad] = await Promise.all([
      failureOf(start('')),
      failureOf(start("console.error('no'); process.exit(5)")),
    ])
    expect(fine).toMatchObject({ code: 'ERR_PORTSIDE_CHILD_EXITED', exitCode: 0 })
    expect(bad).toMatchObject({ code: 'ERR_PORTSIDE_CHILD_EXITED', exitCode: 5, stderr: 'no\n' })
    for (const { message } of [fine, bad]) expect(message).toMatch(READABLE)
  })

  it('while portside looks at its listener: its own listener does not count as another program’s', async (context) => {
    needsKernel(context)
    const code = "server().on('connection', () => process.exit(6))"
    const failures = await Promise.all(
      Array.from({ length: 5 }, () => failureOf(start(code, { ready: () => false, timeout: 20_000 }))),
    )
    for (const failure of failures) {
      expect(failure).toMatchObject({ code: 'ERR_PORTSIDE_CHILD_EXITED', exitCode: 6 })
      expect(failure.message).not.toContain('another program')
    }
  })

  it('and leaves a daemon: portside names it in the error, and ends it', async (context) => {
    needsKernel(context)
    const mark = `PORTSIDE_TEST=${process.pid}.${Date.now()}`
    const env = { ...process.env, PORTSIDE_TEST: mark.slice(14) }
    const daemon = `require('node:child_process').spawn('tail', ['-f', '/dev/null'], { detached: true, stdio: 'ignore' }).once('spawn', () => process.exit())`
    const failure = await failureOf(start(daemon, { env }))
    expect(failure).toMatchObject({ code: 'ERR_PORTSIDE_CHILD_EXITED', exitCode: 0 })
    expect(failure.message).toMatch(/cause {6}it left processes running, which portside ended:\n {2}pid \d+ \(tail\)\n/)
    expect(failure.message).toContain('fix        keep the program in the foreground: ')
    await until(() => pidsWith(mark).length === 0)
  })

  it('after it was ready', async () => {
    await using child = await start("server(); process.on('SIGUSR2', () => process.exit(7))")
    child.child.kill('SIGUSR2')
    expect(await child.exited).toEqual({ code: 7, signal: null })
    expect(await child.stop()).toEqual({ code: 7, signal: null })
    expect(child.ended).toEqual([])
  })
})

describe('a program that is never ready', () => {
  it('listens nowhere', async () => {
    const failure = await never('stay()', /listens nowhere/)
    expect(failure).toMatchObject({
      code: 'ERR_PORTSIDE_NOT_READY',
      listensOn: [],
      lastAnswer: { error: { code: 'ECONNREFUSED' } },
      cause: { code: 'ECONNREFUSED' },
      output: '',
    })
    expect(failure.message).toContain('cause      it listens nowhere\n  fix        check that the program reads PORT')
    expect(failure.message).toMatch(READABLE)
  })

  it("listens nowhere, with port: 'any'", async (context) => {
    needsKernel(context)
    const { message, listensOn } = await never('stay()', /listens nowhere/, { port: 'any' })
    expect(listensOn).toEqual([])
    expect(message).toContain(
      'expected   a listener of the program\n  got        no output of the program\n  cause      it listens nowhere\n',
    )
    expect(message).toMatch(READABLE)
  })

  it('has only a UDP socket', async (context) => {
    needsKernel(context)
    const code = `require('node:dgram').createSocket(HERE.includes(':') ? 'udp6' : 'udp4').bind(PORT, HERE)`
    const { message } = await never(code, /UDP/)
    expect(message).toMatch(/cause {6}it listens on no TCP port; it has UDP sockets on \S+\n/)
    expect(message).toMatch(READABLE)
  })

  it('listens on a unix socket', async (context) => {
    needsKernel(context)
    const directory = await mkdtemp(join(tmpdir(), 'portside-test-'))
    onTestFinished(() => rm(directory, { recursive: true }))
    let made = 0
    const wait = (timeout: number) => {
      const path = join(directory, `${made++}.sock`)
      return start(`net.createServer().listen(${JSON.stringify(path)})`, { timeout })
    }
    const { message, listensOn } = await unready(wait, /\.sock; you/)
    expect(listensOn).toEqual([join(directory, `${made - 1}.sock`)])
    expect(message).toContain(`fix        make the program listen on a TCP port: ${listensOn[0]} is a unix socket`)
    expect(message).toMatch(READABLE)
  })

  it('listens on the other family', async (context) => {
    needsKernel(context)
    needsFamilies(context, 'IPv4', 'IPv6')
    const code = "server(PORT, '::1')"
    const failure = await never(code, /it listens on/, { family: 'IPv4' })
    const [{ port }] = failure.listensOn as [{ port: number }]
    expect(failure.message).toContain(`cause      it listens on [::1]:${port}; you wait on 127.0.0.1:${port}\n`)
    expect(failure.message).toContain("fix        pass family: 'IPv6', or make the program listen on 127.0.0.1")
    // Without a family, either address is right.
    await using child = await start(code)
    expect(child).toMatchObject({ address: '::1', family: 'IPv6' })
  })

  it('does not listen on the port in PORT', async (context) => {
    needsKernel(context)
    const { message, listensOn } = await never('server(0)', /it listens on/)
    const [place] = listensOn as [{ address: string; port: number }]
    expect(message).toMatch(new RegExp(`cause {6}it listens on ${escaped(formatEndpoint(place))}; you wait on \\S+`))
    expect(message).toContain("or pass port: 'any' if it picks its own")
    expect(message).toMatch(READABLE)
  })

  it('closes its listener while portside checks it', async () => {
    const code = `require('node:http').createServer((request) => { listener.close(); request.socket.destroy() })
      .listen(PORT, HERE).once('listening', function () { listener = this }); let listener; stay()`
    const failure = await never(code, /listens nowhere/, { ready: { http: '/' } })
    expect(failure.lastAnswer.error).toBeInstanceOf(Error)
    expect(failure.message).toContain('expected   a listener of the program on ')
  })

  it('reports what the program does instead of accepting on descriptor 3', async (context) => {
    needsKernel(context)
    const options = { by: 'descriptor' } as const
    const idle = await never('stay()', /accepts no connection/, options)
    expect(idle.message).toContain(
      'cause      it accepts no connection on descriptor 3\n  fix        make it listen on descriptor 3',
    )
    for (const ready of [undefined, { http: '/' }]) {
      const more = { ...options, ...(ready && { ready }) }
      const other = await never('server(0)', /instead of descriptor 3/, more)
      expect(other.message).toMatch(
        /cause {6}it listens on \S+:\d+ instead of descriptor 3\n {2}fix {8}make it listen on descriptor 3/,
      )
    }
  })

  it('reports the missing address of two', async (context) => {
    needsKernel(context)
    if (loopbackFamilies().length < 2) context.skip('one family only')
    const { message } = await never('server(PORT)', /you wait on/, { family: 'dual' })
    expect(message).toMatch(
      /you wait on 127\.0\.0\.1:\d+ and \[::1\]:\d+\n {2}fix {8}make the program also listen on ::1/,
    )
  })

  it('explains how to pass a shell command line', async () => {
    const { message, code } = await failureOf(spawnListening('portside-no-such-program start  now'))
    expect(code).toBe('ENOENT')
    expect(message).toContain(
      "fix        pass the program and its arguments separately: 'portside-no-such-program', ['start', 'now']",
    )
  })

  it('shows the end of both streams', async () => {
    const said = await failureOf(start("console.warn('old api'); console.log('FATAL: no database'); process.exit(1)"))
    expect(said.message).toContain('this output of the program\n    FATAL: no database\n  and on stderr\n    old api\n')
  })

  it('is stopped by a signal, and portside ends it anyway', async (context) => {
    needsKernel(context)
    const code = "server().once('listening', () => process.kill(process.pid, 'SIGSTOP'))"
    const options = { ready: { http: '/' }, grace: 50 } as const
    const { message } = await never(code, /no answer/, options)
    expect(message).toContain('cause      a signal has stopped it; SIGCONT continues it (signal(7))\n')
    expect(runs(Number(/pid (\d+)/.exec(message)?.[1]))).toBe(false)
  })
})

describe('a program whose port is taken', () => {
  const FIXED = (port: number, or = '') => `server(${port})${or}`

  it('names the owner of the port that it wants instead of PORT', async (context) => {
    needsKernel(context)
    await using holder = await listenTcp()
    const failure = await failureOf(start(FIXED(holder.port)))
    expect(failure).toMatchObject({ code: 'ERR_PORTSIDE_CHILD_EXITED', owners: [{ pid: process.pid }] })
    expect(failure.message).toContain(
      `cause      the program wants port ${holder.port}, which is taken\n  owner      this process (pid ${process.pid}) listens on ${HERE_IN_URL}:${holder.port}\n  fix        make the program listen on the port in PORT, or end`,
    )
    expect(failure.message).toMatch(READABLE)
    const goesOn = FIXED(holder.port, ".on('error', (error) => console.log(String(error))); stay()")
    const waited = await never(goesOn, /which is taken/)
    expect(waited).toMatchObject({ code: 'ERR_PORTSIDE_NOT_READY', owners: [{ pid: process.pid }] })
    expect(waited.message).toContain(
      `cause      it listens nowhere; the program wants port ${holder.port}, which is taken\n`,
    )
    const anywhere = await failureOf(start(FIXED(holder.port), { port: 'any' }))
    expect(anywhere.message).toContain('fix        end the program that has the port')
  })

  it('explains SO_REUSEADDR if the port is the reserved port', async () => {
    const failure = await failureOf(
      start("console.error('bind: address already in use ' + HERE + ':' + PORT); process.exit(1)"),
    )
    expect(failure.message).toContain(
      'cause      one of: another program listened on the port and has closed since; the program does not set SO_REUSEADDR',
    )
    const unnamed = await failureOf(start("console.error('Address already in use'); process.exit(1)"))
    expect(unnamed.message).toContain('it ignores descriptor 3; the program wants another port, which is taken\n')
    const free = await failureOf(start("console.error('12:30:01 address already in use :1'); process.exit(1)"))
    expect(free.message).not.toContain('cause')
  })

  it('names the other program that listens on the port', async (context) => {
    needsKernel(context)
    await using reservation = await reservePort()
    const [{ address, port }] = reservation.endpoints as [Endpoint]
    const stranger = net.createServer((socket) => socket.on('error', () => {}).end())
    await once(stranger.listen({ host: address, port }), 'listening')
    try {
      const failure = await never('stay()', /another program/, { port: reservation })
      expect(failure).toMatchObject({ code: 'ERR_PORTSIDE_PORT_TAKEN', owners: [{ pid: process.pid }] })
      expect(failure.message).toContain(
        `cause      another program listens on the port\n  owner      this process (pid ${process.pid}) listens on ${formatEndpoint({ address, port })}\n`,
      )
      expect(failure.message).toMatch(READABLE)
    } finally {
      stranger.close()
      await once(stranger, 'close')
    }
  })
})

describe('an unusual program that is ready', () => {
  it('closes its output', async () => {
    await using child = await start('process.stdout.destroy(); process.stderr.destroy(); server()', {
      ready: 'listening',
    })
    expect(child.stdout).toBe('')
  })

  it('prints 100 MB, and portside keeps only the end', async () => {
    const code = `const part = 'x'.repeat(1_000_000); let parts = 0
      const more = () => (parts++ < 100 ? process.stdout.write(part, more) : console.log('\\nall of it') || server())
      more()`
    const before = process.memoryUsage().rss
    await using child = await start(code, { ready: /^all of it$/, timeout: 25_000 })
    expect(child.stdout).toHaveLength(16_384)
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000)
  })

  it('listens on all addresses', async (context) => {
    needsFamilies(context, 'IPv4')
    await using child = await start("server(PORT, '0.0.0.0')")
    expect(child).toMatchObject({ address: '127.0.0.1', owned: process.platform === 'linux' ? true : child.owned })
  })

  it('listens twice', async (context) => {
    needsFamilies(context, 'IPv4', 'IPv6')
    const twice = "server(PORT, '127.0.0.1'); server(PORT, '::1')"
    await using first = await start(twice)
    expect(first.endpoints).toHaveLength(1)
    await using both = await start(twice, { family: 'dual' })
    expect(both.endpoints.map(({ address }) => address)).toEqual(['127.0.0.1', '::1'])
  })
})

describe('invalid options', () => {
  const pattern = /x/
  const CASES: Array<[options: object, code: string, argument: string]> = [
    [{ by: 'socket' }, 'ERR_INVALID_ARG_VALUE', 'by'],
    [{ port: 'anything' }, 'ERR_SOCKET_BAD_PORT', 'port'],
    [{ port: {} }, 'ERR_SOCKET_BAD_PORT', 'port'],
    [{ port: 70_000 }, 'ERR_SOCKET_BAD_PORT', 'port'],
    [{ timeout: '1s' }, 'ERR_INVALID_ARG_TYPE', 'timeout'],
    [{ timeout: -1 }, 'ERR_OUT_OF_RANGE', 'timeout'],
    [{ timeout: Number.NaN }, 'ERR_OUT_OF_RANGE', 'timeout'],
    [{ timeout: 2 ** 31 }, 'ERR_OUT_OF_RANGE', 'timeout'],
    [{ grace: '1s' }, 'ERR_INVALID_ARG_TYPE', 'grace'],
    [{ grace: Number.POSITIVE_INFINITY }, 'ERR_OUT_OF_RANGE', 'grace'],
    [{ output: 'pipe' }, 'ERR_INVALID_ARG_VALUE', 'output'],
    [{ output: 5 }, 'ERR_INVALID_ARG_VALUE', 'output'],
    [{ stopSignal: 'SIGNOTHING' }, 'ERR_UNKNOWN_SIGNAL', 'stopSignal'],
    [{ stopSignal: 15 }, 'ERR_INVALID_ARG_TYPE', 'stopSignal'],
    [{ signal: {} }, 'ERR_INVALID_ARG_TYPE', 'signal'],
    [{ backlog: '5', by: 'descriptor' }, 'ERR_INVALID_ARG_TYPE', 'backlog'],
    [{ backlog: 0, by: 'descriptor' }, 'ERR_OUT_OF_RANGE', 'backlog'],
    [{ backlog: 5 }, 'ERR_INVALID_ARG_VALUE', 'backlog'],
    [{ port: 'any', match: 5 }, 'ERR_INVALID_ARG_TYPE', 'options'],
    [{ port: 'any', match: { family: 4 } }, 'ERR_INVALID_ARG_VALUE', 'match.family'],
    [{ port: 'any', match: { order: -1 } }, 'ERR_OUT_OF_RANGE', 'match.order'],
    [{ port: 'any', match: { order: '0' } }, 'ERR_INVALID_ARG_TYPE', 'match.order'],
    [{ port: 'any', match: { port: 0 } }, 'ERR_SOCKET_BAD_PORT', 'match.port'],
    [{ port: 'any', match: { port: [80, '81'] } }, 'ERR_SOCKET_BAD_PORT', 'match.port'],
    [{ port: 'any', match: { port: [] } }, 'ERR_INVALID_ARG_VALUE', 'match.port'],
    [{ match: {} }, 'ERR_INVALID_ARG_VALUE', 'match'],
    [{ port: 'any', family: 'IPv4' }, 'ERR_INVALID_ARG_VALUE', 'family'],
    [{ port: 'any', host: HERE }, 'ERR_INVALID_ARG_VALUE', 'host'],
    [{ port: 'any', by: 'descriptor' }, 'ERR_INVALID_ARG_VALUE', 'by'],
    [{ family: 'IPv5' }, 'ERR_INVALID_ARG_VALUE', 'family'],
    [{ ready: 'up' }, 'ERR_INVALID_ARG_VALUE', 'ready'],
    [{ ready: null }, 'ERR_INVALID_ARG_VALUE', 'ready'],
    [{ ready: {} }, 'ERR_INVALID_ARG_VALUE', 'ready'],
    [{ ready: [['listening']] }, 'ERR_INVALID_ARG_VALUE', 'ready'],
    [{ ready: { http: 5 } }, 'ERR_INVALID_ARG_TYPE', 'ready.http'],
    [{ ready: { http: 'http://localhost/' } }, 'ERR_INVALID_ARG_VALUE', 'ready.http'],
    [{ ready: { http: '//elsewhere/' } }, 'ERR_INVALID_ARG_VALUE', 'ready.http'],
    [{ ready: { http: '/a b' } }, 'ERR_INVALID_ARG_VALUE', 'ready.http'],
    [{ ready: { http: '/', status: '200' } }, 'ERR_INVALID_ARG_VALUE', 'ready.status'],
    [{ ready: { http: '/', status: 99 } }, 'ERR_INVALID_ARG_VALUE', 'ready.status'],
    [{ ready: { http: '/', body: 'ok' } }, 'ERR_INVALID_ARG_TYPE', 'ready.body'],
    [{ ready: { output: 'up' } }, 'ERR_INVALID_ARG_TYPE', 'ready.output'],
    [{ ready: { send: 5, expect: pattern } }, 'ERR_INVALID_ARG_TYPE', 'ready.send'],
    [{ ready: { send: '' } }, 'ERR_INVALID_ARG_TYPE', 'ready.expect'],
    [{ ready: pattern, output: 'ignore' }, 'ERR_INVALID_ARG_VALUE', 'output'],
  ]

  it.each(CASES)('%o: %s for %s', async (options, code, argument) => {
    const failure = await failureOf(spawnListening(node, [], options as SpawnListeningOptions))
    expect(failure).toMatchObject({ code, argument })
    expect(failure.message).toMatch(READABLE)
  })

  it.each([
    [{ shell: true }, 'shell'],
    [{ url: 'http://localhost' }, 'url'],
    [{ reuseExistingServer: true }, 'reuseExistingServer'],
    [{ time_out: 5 }, 'time_out'],
    [{ ready: { http: '/', path: '/' } }, 'path'],
    [{ port: 'any', match: { ports: 5 } }, 'ports'],
  ])('%o: an unknown option', async (options, argument) => {
    const failure = await failureOf(spawnListening(node, [], options as SpawnListeningOptions))
    expect(failure).toMatchObject({ code: 'ERR_PORTSIDE_UNKNOWN_OPTION', argument })
    expect(failure.message).toMatch(/^Invalid option "\w+" of \S+: [^\n]+(\n {2}fix {8}\S[^\n]*)?$/)
  })
})

const escaped = (text: string): string => text.replace(/[.[\]]/g, '\\$&')
