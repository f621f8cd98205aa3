import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { runCommand } from '../../src/cli/run.js'
import { startCommand } from '../../src/cli/start.js'
import { listenTcp } from '../../src/index.js'
import { until } from '../support/clients.js'
import { leavesNothingOpen, needsKernel } from '../support/kernel.js'
import { whyNoNamespace } from '../support/namespace.js'
import { pidsWith } from '../support/processes.js'
import { ended, portside, start } from './command-line.js'
import { runHere } from './here.js'

leavesNothingOpen({ lingers: true })

const node = process.execPath
const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/programs/${name}`, import.meta.url))
const SERVER = [node, fixture('serve-http.mjs')]
/** The arguments that run code in Node as TEST. */
const then = (code: string): string[] => ['--then', node, '-e', code]

const READY = /^portside: ready on \S+:\d+ after \d+ ms$/m

/** Never exits, and ignores every signal that can be ignored. */
const IGNORES = "for (const one of ['SIGINT', 'SIGTERM']) process.on(one, () => {}); setInterval(() => {}, 1000)"

describe('portside start', () => {
  it('runs TEST with PORT and PORTSIDE_URL, and exits with its code', async () => {
    const code = `fetch(process.env.PORTSIDE_URL + '/health').then(async (response) => {
      console.log(process.env.PORT === new URL(process.env.PORTSIDE_URL).port, await response.text())
      process.exitCode = 7
    })`
    const { stdout, stderr, ...exit } = await portside('start', '--ready', '/health', '--', ...SERVER, ...then(code))
    expect({ stdout, ...exit }).toEqual({ stdout: 'true well\n', code: 7, signal: null })
    expect(stderr).toMatch(READY)
    expect(stderr).toMatch(/^it listens$/m)
    expect(stderr).toMatch(/^it warns$/m)
  })

  it('prints nothing with --quiet, and the output of COMMAND if TEST is killed', async () => {
    const options = ['--quiet', '--ready', 'output:^it warns$']
    const [good, bad] = await Promise.all(
      ['', "process.kill(process.pid, 'SIGKILL')"].map((code) =>
        portside('start', ...options, '--', ...SERVER, ...then(code)),
      ),
    )
    expect(good).toEqual({ stdout: '', stderr: '', code: 0, signal: null })
    expect(bad).toEqual({ stdout: '', stderr: 'it listens\nit warns\n', code: null, signal: 'SIGKILL' })
  })

  it('finds the port that COMMAND picks', async (context) => {
    needsKernel(context)
    const ask = 'fetch(process.env.PORTSIDE_URL).then(({ status }) => console.log(status))'
    const found = await portside('start', '--port', 'any', '--', ...SERVER, '--any', ...then(ask))
    expect(found).toMatchObject({ stdout: '404\n', code: 0 })
  })

  it('stays in the foreground without TEST, and exits with the code of COMMAND', async () => {
    const child = start(['start', '--', ...SERVER])
    const whole = ended(child)
    await said(child.stderr, READY)
    child.kill('SIGTERM')
    expect(await whole).toEqual({
      stdout: 'it listens\n',
      stderr: expect.stringMatching(READY),
      code: 4,
      signal: null,
    })
  })

  it('ends by the signal that ended COMMAND', async () => {
    const child = start(['start', '--', ...SERVER])
    const whole = ended(child)
    await said(child.stderr, READY)
    child.kill('SIGINT')
    expect(await whole).toMatchObject({ code: null, signal: 'SIGINT' })
  })

  it('stops COMMAND when the reader of its output has closed the pipe', async () => {
    const code =
      "require('net').createServer().listen({ port: process.env.PORT, host: 'localhost' }); setInterval(() => console.log('x'), 5)"
    const child = start(['start', '--', node, '-e', code])
    const exit = once(child, 'close')
    child.stderr?.resume()
    await once(child.stdout!, 'data')
    child.stdout?.destroy()
    expect(await exit).toEqual([141, null])
  })

  it('exits with 124 when COMMAND is not ready in time, and prints the last answer', async () => {
    const options = ['--ready', '/health', '--status', '500', '--timeout', '1500', '--quiet']
    const { stdout, stderr, code } = await portside('start', ...options, '--', ...SERVER, ...then("console.log('no')"))
    expect({ stdout, code }).toEqual({ stdout: '', code: 124 })
    expect(stderr).toMatch(/^ {2}expected {3}GET \/health to answer with status 500$/m)
    expect(stderr).toMatch(/^ {2}got {8}status 200: well$/m)
    expect(stderr).toMatch(/^ {2}fix {8}.*, or pass a longer --timeout$/m)
    // The output is printed once, and the message does not repeat it.
    expect(stderr.match(/it listens/g)).toHaveLength(1)
  })

  it('exits with the code of COMMAND when COMMAND exits before it is ready', async () => {
    const codes = ['process.exitCode = 3', '', "process.kill(process.pid, 'SIGTERM')"]
    const results = await Promise.all(
      codes.map((code) => portside('start', '--', node, '-e', code, ...then("console.log('no')"))),
    )
    expect(results.map(({ stdout, code, signal }) => ({ stdout, code, signal }))).toEqual([
      { stdout: '', code: 3, signal: null },
      // COMMAND succeeded, but TEST has not run.
      { stdout: '', code: 125, signal: null },
      { stdout: '', code: null, signal: 'SIGTERM' },
    ])
    for (const { stderr } of results) {
      expect(stderr).toMatch(/^portside start: Cannot start .* the program (exited|was ended) .* before it was ready/m)
    }
  })

  it('exits with 127 when a program does not exist, and with 126 when it cannot be executed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'portside-test-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'text')
    await writeFile(file, '')
    await chmod(file, 0o644)
    const script = join(folder, 'script')
    await writeFile(script, '#!/no/such/interpreter\n', { mode: 0o755 })
    const results = await Promise.all([
      portside('start', '--', 'no-such-command'),
      portside('start', '--', file),
      portside('start', '--', ...SERVER, '--then', 'no-such-command'),
      portside('start', '--', ...SERVER, '--then', script),
    ])
    expect(results.map(({ stdout, code }) => ({ stdout, code }))).toEqual([
      { stdout: '', code: 127 },
      { stdout: '', code: 126 },
      { stdout: '', code: 127 },
      { stdout: '', code: 127 },
    ])
    // COMMAND was not started.
    expect(results[2]?.stderr).toMatch(/^portside start: Cannot start no-such-command\.\n/)
    expect(results[3]?.stderr).toMatch(/^ {2}fix {8}check that .* its interpreter exists$/m)
  })

  it('exits with 125 when another process has the port', async (context) => {
    needsKernel(context)
    await using holder = await listenTcp()
    const { stderr, code } = await portside('start', '--port', String(holder.port), '--', ...SERVER)
    expect(code).toBe(125)
    expect(stderr).toMatch(new RegExp(`^ {2}owner {6}pid ${process.pid} \\(.+\\) listens on `, 'm'))
    expect(stderr).toMatch(/^ {2}fix {8}end the program that has the port, or leave --port out$/m)
  })

  it('prints that COMMAND exited before TEST', async () => {
    const listens =
      "require('net').createServer((socket) => socket.on('data', () => process.exit(9))).listen(process.env.PORT, 'localhost')"
    const ends =
      "require('net').connect(process.env.PORT, 'localhost').on('error', () => {}).write('end'); process.stdin.on('end', () => process.exit(5)).resume()"
    const child = start(['start', '--', node, '-e', listens, ...then(ends)], { stdio: 'pipe' })
    const whole = ended(child)
    await said(child.stderr, /^portside: COMMAND ended before TEST, with code 9$/m)
    child.stdin?.end()
    expect(await whole).toMatchObject({ stdout: '', code: 5, signal: null })
  })

  it.each([
    ['that ends', '', 'setInterval(() => {}, 1000)'],
    ['that hangs', '--grace=100', IGNORES],
  ])('passes SIGINT on to TEST, and ends by it: a TEST %s', async (_, option, code) => {
    const mark = marked()
    const args = [option, '--'].filter(Boolean)
    const child = start(['start', ...args, ...SERVER, ...then(`${code}; console.log('up')`)], mark)
    const whole = ended(child)
    await once(child.stdout!, 'data')
    child.kill('SIGINT')
    expect(await whole).toMatchObject({ code: null, signal: 'SIGINT' })
    expect(mark.running()).toEqual([])
  })

  it('stops COMMAND on SIGTERM before it is ready', async () => {
    const mark = marked()
    const child = start(['start', '--', node, '-e', "console.log('up'); setInterval(() => {}, 1000)"], mark)
    const whole = ended(child)
    await once(child.stdout!, 'data')
    child.kill('SIGTERM')
    expect(await whole).toEqual({ stdout: 'up\n', stderr: '', code: null, signal: 'SIGTERM' })
    expect(mark.running()).toEqual([])
  })

  it('leaves no process running when it is killed', async (context) => {
    needsKernel(context)
    const mark = marked()
    const child = start(['start', '--', ...SERVER, ...then(`${IGNORES}; console.log('up')`)], mark)
    const closed = once(child, 'close')
    child.stderr?.resume()
    await once(child.stdout!, 'data')
    child.stdout?.resume()
    child.kill('SIGKILL')
    await until(() => mark.running().length === 0)
    await closed
  })

  const HERE = (...args: string[]) => runHere(startCommand, ...args)

  it.each<[string[], string]>([
    [[], 'missing argument [--] COMMAND [ARGUMENT...] [--then TEST [ARGUMENT...]]'],
    [['--then', 'x'], "invalid --then: expected COMMAND before it, got 'x'"],
    [['--', '--then', 'x'], 'missing COMMAND before --then'],
    [['x', '--then'], 'missing TEST after --then'],
    [['', '--then', 'x'], 'the name of COMMAND before --then is empty'],
    [
      ['--ready', 'health', 'x'],
      "invalid --ready: expected listening, a path such as /health, or output:REGEX, got 'health'",
    ],
    [
      ['--ready', 'output:(', 'x'],
      "invalid --ready: expected a JavaScript regular expression (Unterminated group), got 'output:('",
    ],
    [['--port', '65536', 'x'], "invalid --port: expected any, or a port from 1 to 65535, got '65536'"],
    [['--status', '200', 'x'], '--status needs a path: --ready /health'],
    [
      ['--stop-signal', 'SIGNOPE', 'x'],
      "invalid --stop-signal: expected the name of a signal, such as SIGTERM, got 'SIGNOPE'",
    ],
    [['--grace=-1', 'x'], "invalid --grace: expected milliseconds from 0 to 2147483647, got '-1'"],
    [['--redy', '/', 'x'], "unknown option '--redy'; did you mean '--ready'?"],
  ])('rejects %j', async (args, message) => {
    await expect(HERE(...args)).rejects.toMatchObject({ code: 'ERR_PORTSIDE_USAGE', message })
  })
})

describe('portside run --ready', () => {
  it.skipIf(whyNoNamespace !== undefined)(
    `starts COMMAND and TEST in a private network (${whyNoNamespace ?? 'possible here'})`,
    async () => {
      const ask =
        'fetch(process.env.PORTSIDE_URL).then(({ status }) => console.log(process.env.PORT, status)).then(() => process.exit(6))'
      const options = ['--no-ipv6', '--ready', '/health', '--port', '3000']
      const results = await Promise.all([1, 2].map(() => portside('run', ...options, '--', ...SERVER, ...then(ask))))
      const one = { stdout: '3000 404\n', stderr: expect.stringMatching(READY), code: 6, signal: null }
      expect(results).toEqual([one, one])
    },
  )

  it.each<[string[], string]>([
    [['--timeout', '5', 'x'], '--timeout needs --ready: --ready listening'],
    [['--ready', 'x', 'y'], "invalid --ready: expected listening, a path such as /health, or output:REGEX, got 'x'"],
    [['--ready', '/', 'x', '--then'], 'missing TEST after --then'],
  ])('rejects %j', async (args, message) => {
    await expect(runHere(runCommand, ...args)).rejects.toMatchObject({ code: 'ERR_PORTSIDE_USAGE', message })
  })
})

/** Resolves to the text of a stream as soon as the text matches. */
function said(stream: NodeJS.ReadableStream | null, pattern: RegExp): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    stream?.on('data', (chunk) => {
      text += chunk
      if (pattern.test(text)) resolve(text)
    })
  })
}

/** A mark in the environment, by which the test finds its processes and kills them at its end. */
function marked(): { env: NodeJS.ProcessEnv; running: () => number[] } {
  const mark = randomUUID()
  const running = (): number[] => pidsWith(mark)
  onTestFinished(() => {
    for (const pid of running()) process.kill(pid, 'SIGKILL')
  })
  return { env: { ...process.env, PORTSIDE_TEST: mark }, running }
}
