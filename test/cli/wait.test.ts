import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { waitCommand } from '../../src/cli/wait.js'
import {
  formatEndpoint,
  listenHttp,
  listenHttps,
  listenTcp,
  listenUnix,
  loopbackFamilies,
  refusedEndpoint,
} from '../../src/index.js'
import { leavesNothingOpen, needsKernel } from '../support/kernel.js'
import { USERS, type User, whyNotUnprivileged } from '../support/users.js'
import { ended, PORTSIDE, start } from './command-line.js'
import { runHere } from './here.js'

leavesNothingOpen({ lingers: true })

const wait = (...args: string[]) => runHere(waitCommand, ...args)

describe('portside wait', () => {
  it('waits until a URL answers, and prints the status', async () => {
    await using server = await listenHttp((_request, response) => void response.writeHead(204).end())
    const { stdout, stderr, code } = await wait(new URL('health', server.url).href)
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
    expect(stdout).toMatch(/^http:\/\/\S+\/health answers with status 204 after \d+ ms\.\n$/)
  })

  it('waits for the requested status and body', async () => {
    await using server = await listenHttp((_request, response) => void response.writeHead(503).end('down for repair'))
    expect(await wait(server.url.href, '--status', '503', '--body', '^down')).toMatchObject({ code: 0 })
  })

  it('checks the certificate of a server against a file', async () => {
    await using server = await listenHttps((_request, response) => void response.end())
    const folder = await mkdtemp(join(tmpdir(), 'portside-test-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'ca.pem')
    await writeFile(file, server.ca)
    expect(await wait(server.url.href, '--ca', file)).toMatchObject({ code: 0 })
  })

  it.each(loopbackFamilies())('waits for a listener that is named in three ways, on %s', async (family) => {
    await using server = await listenTcp(undefined, { family })
    const where = formatEndpoint(server.endpoint)
    for (const target of [String(server.port), `localhost:${server.port}`, where]) {
      const { stdout, code } = await wait(target)
      expect(code).toBe(0)
      expect(stdout).toBe(`${where} accepts connections after ${/\d+(?= ms\.\n$)/.exec(stdout)} ms.\n`)
    }
  })

  it('waits for the listener of a unix socket', async () => {
    await using server = await listenUnix()
    const { stdout, code } = await wait(server.path)
    expect({ stdout: stdout.replace(/\d+ ms/, 'N ms'), code }).toEqual({
      stdout: `${server.path} accepts connections after N ms.\n`,
      code: 0,
    })
  })

  it('waits until a process listens, and prints where', async (context) => {
    needsKernel(context)
    const code = 'require("net").createServer().listen({ port: 0 }, function () { console.log(this.address().port) })'
    const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    })
    const { stdout, code: exit } = await wait('--pid', String(child.pid), '--json')
    expect(exit).toBe(0)
    const [port] = await once(child.stdout, 'data')
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, endpoints: [{ port: Number(port) }] })
    child.stdout.destroy()
  })

  it('waits until a port refuses connections', async () => {
    await using endpoint = await refusedEndpoint()
    const { stdout, code } = await wait(formatEndpoint(endpoint), '--refused')
    expect(code).toBe(0)
    expect(stdout).toMatch(/ refuses connections after \d+ ms\.\n$/)
  })

  it('exits with 1 when the timeout expires, and prints the last answer, the owner of the port and a fix', async (context) => {
    needsKernel(context)
    await using plain = await listenHttp((_request, response) => void response.writeHead(404).end('no page'))
    await using secure = await listenHttps((_request, response) => void response.end())
    const other = plain.family === 'IPv4' ? `127.0.0.77:${plain.port}` : `[::2]:${plain.port}`
    const waits = await Promise.all(
      [
        [plain.url.href, '--status', '503', '--body', 'up'],
        [plain.url.href, '--json'],
        [plain.url.href.replace('http:', 'https:')],
        [secure.url.href],
        [secure.url.href.replace('https:', 'http:')],
        [String(plain.port), '--refused'],
        [other],
      ].map((args) => ended(start(['wait', ...args, '--timeout', '1500']))),
    )
    expect(waits.map(({ code }) => code)).toEqual(waits.map(() => 1))
    const [answer, json, http, certificate, https, refused, elsewhere] = waits.map(({ stderr }) => linesOf(stderr))
    expect(answer).toMatchObject({
      expected: expect.stringMatching(/^GET .* to answer with status 503 and a body that matches \/up\/$/),
      got: 'status 404: no page',
      fix: 'fix what the server answers, or pass a longer --timeout',
    })
    expect(JSON.parse(waits[1]?.stdout ?? '')).toEqual({
      ok: false,
      elapsed: expect.any(Number),
      code: 'ERR_PORTSIDE_NOT_READY',
      message: waits[1]?.stderr.replace(/^portside wait: |\n$/g, ''),
      lastAnswer: { status: 404, body: 'no page' },
    })
    expect(json?.got).toBe(answer?.got)
    expect(http?.fix).toBe('write http: in the URL if the server does not speak TLS')
    expect(certificate?.fix).toBe('pass the certificate of the server, or of its authority, by --ca FILE')
    expect(https?.fix).toBe('write https: in the URL if the server speaks TLS')
    const owner = new RegExp(`^pid ${process.pid} .*listens on .*:${plain.port}$`)
    expect(refused?.owner).toMatch(owner)
    expect(elsewhere?.owner).toMatch(owner)
  })

  it('prints nothing with --quiet', async () => {
    await using server = await listenTcp()
    expect(await wait(String(server.port), '--quiet')).toEqual({ stdout: '', stderr: '', code: 0 })
  })

  it('exits with 3 when the process does not exist', async () => {
    const { stdout, stderr, code } = await ended(start(['wait', '--pid', '2147483647']))
    expect({ stdout, code }).toEqual({ stdout: '', code: 3 })
    expect(stderr).toBe(
      'portside wait: Cannot wait until process 2147483647 listens: ESRCH (no such process). fix: pass the pid of a process that runs; if it has exited already, see its output\n',
    )
  })

  it('exits with 3 when the system does not show the sockets of the process', async (context) => {
    needsKernel(context)
    if (whyNotUnprivileged !== undefined) context.skip(whyNotUnprivileged)
    const [{ become }] = USERS.slice(1) as [User]
    // Not the pid of this process: its children include `portside wait`, which may read its own sockets.
    const other = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] })
    const [program = '', ...args] = [...become, process.execPath, PORTSIDE, 'wait', '--pid', String(other.pid)]
    const { stderr, code } = await ended(spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] }))
    other.stdin?.end()
    await once(other, 'exit')
    expect(code).toBe(3)
    expect(stderr).toMatch(
      / cause: this user may not inspect the process .* fix: wait for its port, or run this as its user or as root\n$/,
    )
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('ends immediately on %s', async (signal) => {
    const server = await listenTcp()
    const asked = once(server.server, 'connection')
    const child = start(['wait', `http://${formatEndpoint(server.endpoint)}/`])
    const exit = ended(child)
    await asked
    child.kill(signal)
    expect(await exit).toEqual({ stdout: '', stderr: '', code: null, signal })
    await server.close()
  })

  const TARGET = [
    'invalid TARGET: expected an http: or https: URL, a port from 1 to 65535, ADDR:PORT with an IPv6 address in brackets',
    'or the path of a unix socket that begins with / or ./, got',
  ].join(', ')

  it.each<[string[], string]>([
    [[], 'missing argument TARGET, or --pid N'],
    [['--pid', '1', '80'], 'give either --pid or TARGET, got both'],
    [['--pid', '0'], "invalid --pid: expected the number of a process, from 1 to 2147483647, got '0'"],
    [['--pid', 'me'], "invalid --pid: expected the number of a process, from 1 to 2147483647, got 'me'"],
    [['--pid', '1', '--refused'], '--refused needs a TARGET: a process does not refuse connections'],
    [['0'], `${TARGET} '0'`],
    [['65536'], `${TARGET} '65536'`],
    [['::1:80'], `${TARGET} '::1:80'`],
    [['name.sock'], `${TARGET} 'name.sock'`],
    [['ftp://localhost/'], `${TARGET} 'ftp://localhost/'`],
    [['http://'], `${TARGET} 'http://'`],
    [['http://localhost:65536/'], `${TARGET} 'http://localhost:65536/'`],
    [['80', '--status', '200'], '--status needs an http: or https: URL as TARGET'],
    [['80', '--status', '99'], "invalid --status: expected an integer from 100 to 599, got '99'"],
    [['./app.sock', '--body', 'x'], '--body needs an http: or https: URL as TARGET'],
    [
      ['http://localhost/', '--body', '('],
      "invalid --body: expected a JavaScript regular expression (Unterminated group), got '('",
    ],
    [['http://localhost/', '--refused', '--status', '200'], 'give either --status or --refused, got both'],
    [
      ['https://localhost/', '--ca', '/no/such'],
      "invalid --ca: expected a file that can be read (ENOENT), got '/no/such'",
    ],
    [['http://localhost/', '--ca', import.meta.filename], '--ca needs an https: URL as TARGET'],
    [['80', '--timeout', '30s'], "invalid --timeout: expected milliseconds from 1 to 2147483647, got '30s'"],
    [['80', '--timeout', '0'], "invalid --timeout: expected milliseconds from 1 to 2147483647, got '0'"],
    [['80', '--quit'], "unknown option '--quit'; did you mean '--quiet'?"],
  ])('rejects %j', async (args, message) => {
    await expect(wait(...args)).rejects.toMatchObject({ code: 'ERR_PORTSIDE_USAGE', message })
  })
})

/** The labelled lines of a message. */
const linesOf = (message: string): Record<string, string> =>
  Object.fromEntries([...message.matchAll(/^ {2}(\w+) +(.+)$/gm)].map(([, label, text]) => [label, text]))
