import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  type Endpoint,
  type ListeningChild,
  type Ready,
  type SpawnListeningOptions,
  spawnListening,
  waitForListening,
} from '../../src/index.js'
import { processCertificate } from '../../src/servers/certificate.js'
import { HERE } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { node as moduleOf } from '../support/program.js'
import { READABLE } from '../support/readable.js'
import { type Failure, failureOf, fixture, node, program, start, unready } from './programs.js'

leavesNothingOpen({ lingers: true })

/** A server that answers as the path says. */
async function answering(env: NodeJS.ProcessEnv = {}, options: SpawnListeningOptions = {}): Promise<ListeningChild> {
  const given = { env: { ...process.env, HOST: HERE, ...env }, ...options }
  return await spawnListening(node, [fixture('answer-as-asked.mjs')], given)
}

const get = async (child: ListeningChild, path: string): Promise<string> =>
  (await fetch(`http://${HERE.includes(':') ? `[${HERE}]` : HERE}:${child.port}${path}`)).text()

type Other = Exclude<Ready, RegExp | { output: RegExp }>

/** The server listens, so one answer decides a condition. */
const refusal = (child: ListeningChild, ready: Other, seen: RegExp): Promise<Failure> =>
  unready((timeout) => waitForListening(child.endpoint, { ready, timeout, interval: 5 }), seen, 40)

describe('ready: { http }', () => {
  it('accepts a status from 200 to 399, and follows no redirect', async () => {
    await using child = await answering({}, { ready: { http: '/status/302' } })
    await waitForListening(child.endpoint, { ready: { http: '/status/204' } })
    await waitForListening(child.endpoint, { ready: { http: '/status/399' } })
    expect(JSON.parse(await get(child, '/asked'))).not.toHaveProperty('/status/200')
    const failure = await refusal(child, { http: '/status/302', status: 200 }, /status 302/)
    expect(failure.lastAnswer).toEqual({ status: 302, body: '' })
    expect(failure.message).toContain('expected   GET /status/302 to answer with status 200\n')
    expect(failure.message).toContain('got        status 302, an empty body\n')
    const bad = [400, 404, 503]
    const refusals = bad.map((status) => refusal(child, { http: `/status/${status}?no` }, /got {8}status/))
    expect((await Promise.all(refusals)).map(({ lastAnswer }) => lastAnswer)).toEqual(
      bad.map((status) => ({ status, body: 'no' })),
    )
  })

  it('accepts only the expected status and body', async () => {
    await using child = await answering({}, { ready: { http: '/status/503?starting', status: 503, body: /^start/gy } })
    await waitForListening(child.endpoint, { ready: { http: '/slow?split+body', body: /split body/ } })
    await waitForListening(child.endpoint, { ready: { http: '/status/404', status: (status) => status < 500 } })
    const { message, lastAnswer } = await refusal(
      child,
      { http: '/status/200?warming+up', body: /^ready$/ },
      /200: warming/,
    )
    expect(lastAnswer).toEqual({ status: 200, body: 'warming up' })
    expect(message).toContain('with a status from 200 to 399 and a body that matches /^ready$/\n')
    expect(message).toContain('got        status 200: warming up\n')
    expect(message).toMatch(READABLE)
  })

  it('requires true from a status function, and shows its error with the answer', async () => {
    await using child = await answering()
    const promised = { http: '/status/404?none', status: (async () => true) as unknown as () => boolean }
    expect(await refusal(child, promised, /status 404/)).toMatchObject({ lastAnswer: { status: 404, body: 'none' } })
    const boom = new Error('boom')
    const thrower = (): boolean => {
      throw boom
    }
    const failure = await refusal(child, { http: '/status/200?fine', status: thrower }, /boom/)
    expect(failure.lastAnswer).toEqual({ status: 200, body: 'fine', error: boom })
    expect(failure.cause).toBe(boom)
    expect(failure.message).toContain('got        status 200: fine; the status function threw: boom\n')
  })

  it('does not wait for the end of a matching body: an event stream is ready', async () => {
    await using child = await answering({}, { ready: { http: '/stream/200?data' }, timeout: 60_000 })
    await waitForListening(child.endpoint, { ready: { http: '/stream/200?data', body: /^data$/ }, timeout: 60_000 })
    const { lastAnswer } = await refusal(child, { http: '/stream/503?data' }, /503: data/)
    expect(lastAnswer).toEqual({ status: 503, body: 'data' })
  })

  it('distinguishes a server that does not answer from one that resets the connection', async () => {
    await using child = await answering()
    expect((await refusal(child, { http: '/hang' }, /no answer/)).lastAnswer.error?.message).toBe('no answer')
    expect((await refusal(child, { http: '/reset' }, /hang up|RESET/)).lastAnswer.error).toMatchObject({
      code: 'ECONNRESET',
    })
  })

  it.each([
    ['closes the connection of plain HTTP', {}],
    ['answers plain HTTP by 400, as servers in Go and nginx do', { ANSWERS_PLAIN: '1' }],
  ])('finds out that a server speaks TLS, with an untrusted certificate: it %s', async (_how, env) => {
    const { key, cert } = await processCertificate()
    await using child = await answering({ KEY: key, CERT: cert, ...env }, { ready: { http: '/status/200?over+TLS' } })
    const failure = await refusal(child, { http: '/status/503?over+TLS' }, /over TLS/)
    expect(failure.lastAnswer).toEqual({ status: 503, body: 'over TLS' })
  })

  it('takes the 400 of a server without TLS as its answer', async () => {
    await using child = await answering({}, { ready: { http: '/status/400', status: 400 } })
    const { lastAnswer } = await refusal(child, { http: '/status/400?bad' }, /status 400/)
    expect(lastAnswer).toEqual({ status: 400, body: 'bad' })
  })
})

describe('ready: { send, expect }', () => {
  const GREETS = "net.createServer((s) => s.on('error', () => {}).write('220 mail\\r\\n')).listen(PORT, HERE)"
  const ECHOES = "net.createServer((s) => s.on('error', () => {}).on('data', (d) => s.end('+' + d))).listen(PORT, HERE)"

  it('reads from a server that speaks first', async () => {
    await using child = await start(GREETS, { ready: { send: '', expect: /^220 /y } })
    const failure = await refusal(child, { send: '', expect: /^554/ }, /220/)
    expect(failure.lastAnswer).toEqual({ body: '220 mail\r\n' })
    expect(failure.message).toContain('expected   a greeting that matches /^554/\n')
    expect(failure.message).toContain('got        the answer "220 mail\\r\\n"\n')
  })

  it('sends text or bytes to a server that answers', async () => {
    await using child = await start(ECHOES, { ready: { send: 'PING\r\n', expect: /^\+PING/ } })
    await waitForListening(child.endpoint, { ready: { send: Buffer.from([80, 79]), expect: /^\+PO$/g } })
    const failure = await refusal(child, { send: 'PING\r\n', expect: /^-/ }, /\+PING/)
    expect(failure.message).toContain('expected   an answer to "PING\\r\\n" that matches /^-/\n')
    const silent = await refusal(child, { send: '', expect: /^220/ }, /no greeting/)
    expect(silent.message).toContain('got        no greeting\n')
    expect(silent.message).toMatch(READABLE)
  })
})

describe('ready: a line of output', () => {
  it('matches with colors, in pieces, without a newline, and by a pattern that keeps its position', async () => {
    const cases: Array<[what: string, code: string, line: RegExp]> = [
      ['that has colors', "process.stdout.write('\\x1b[32mready\\x1b[0m in 5 ms\\n')", /^ready in 5 ms$/],
      [
        'that has colors cut in two',
        "process.stdout.write('\\x1b[3'); setTimeout(() => process.stdout.write('2mready\\n'), 20)",
        /^ready$/,
      ],
      [
        'that comes in two writes',
        "process.stderr.write('rea'); setTimeout(() => process.stderr.write('dy\\n'), 20)",
        /^ready$/,
      ],
      ['without a line end', "process.stdout.write('ready')", /ready/],
      ['that ends as on Windows', "process.stdout.write('ready\\r\\n')", /^ready$/],
      ['by a pattern that keeps its position', "console.log('not yet, ready'); console.log('ready')", /ready$/gy],
    ]
    await Promise.all(
      cases.map(async ([what, code, line]) => {
        await using child = await start(`server(); ${code}`, { ready: line })
        expect(child.stdout + child.stderr, what).toContain('dy')
      }),
    )
  })

  it('also requires the listener, and reports which of both is missing', async () => {
    const silent = (timeout: number) => spawnListening(node, program('server(); stay()'), { ready: /up/, timeout })
    const failure = await unready(silent, /no such line/)
    expect(failure).toMatchObject({ code: 'ERR_PORTSIDE_NOT_READY', lastAnswer: {} })
    expect(failure.message).toContain('expected   a line of its output that matches /up/\n')
    expect(failure.message).toContain('got        no such line; and no output of the program\n')
    const deaf = (timeout: number) =>
      spawnListening(node, program("console.log('up'); stay()"), { ready: /up/, timeout })
    const { message } = await unready(deaf, /of the program\n {4}up/)
    expect(message).toContain('expected   a listener of the program on ')
    expect(message).toContain('cause      it listens nowhere\n')
  })
})

describe('ready: a function', () => {
  it('is called with the endpoint until it resolves to true, one call at a time', async () => {
    const seen: Endpoint[] = []
    let running = 0
    const third = async (endpoint: Endpoint): Promise<boolean> => {
      expect(++running).toBe(1)
      seen.push(endpoint)
      await new Promise(setImmediate)
      running--
      if (seen.length === 1) throw new Error('not yet')
      return seen.length === 3
    }
    await using child = await start('server()', { ready: third })
    expect(seen).toEqual([child.endpoint, child.endpoint, child.endpoint])
  })

  it('reports in the error how the call ended', async () => {
    await using child = await start('server()')
    const boom = new Error('connect ECONNREFUSED')
    const cases: Array<[Other, string]> = [
      [
        async function isUp() {
          throw boom
        },
        'isUp() threw: connect ECONNREFUSED',
      ],
      [
        () => {
          throw Object.create(null)
        },
        'the ready function threw: a value that cannot be printed',
      ],
      [() => new Promise<boolean>(() => {}), 'the ready function has not settled'],
      [(() => {}) as unknown as () => boolean, 'the ready function returned undefined'],
      [(() => ({})) as unknown as () => boolean, 'the ready function returned an object'],
      [() => false, 'the ready function returned false'],
    ]
    const refusals = cases.map(([ready, got]) =>
      refusal(child, ready, new RegExp(`got {8}${got.replace(/[()]/g, '\\$&')}`)),
    )
    for (const [index, failure] of (await Promise.all(refusals)).entries()) {
      const [, got] = cases[index] as [Other, string]
      expect(failure.message).toContain(` to resolve to true\n  got        ${got}\n`)
      expect(failure.message).toMatch(READABLE)
    }
    expect(await refusal(child, cases[0]?.[0] as Other, /threw/)).toMatchObject({
      cause: boom,
      lastAnswer: { error: boom },
    })
  })
})

describe('ready: several', () => {
  it('requires all of them, and does not check one again that was true', async () => {
    let calls = 0
    const fifth = (): boolean => ++calls === 5
    await using child = await answering({}, { ready: [{ http: '/status/200' }, 'listening', fifth] })
    expect(calls).toBe(5)
    expect(JSON.parse(await get(child, '/asked'))).toEqual({ '/asked': 1, '/status/200': 1 })
  })

  it('names each condition that is not true, with its last answer', async () => {
    const run = (timeout: number) =>
      answering({}, { ready: [{ http: '/status/200' }, { http: '/status/500' }, /up/], timeout })
    const failure = await unready(run, /status 500/)
    expect(failure.message).toContain(
      'expected   GET /status/500 to answer with a status from 200 to 399; a line of its output that matches /up/\n',
    )
    expect(failure.message).toContain(
      'got        status 500, an empty body; no such line; and no output of the program\n',
    )
    expect(failure).toMatchObject({
      lastAnswer: { status: 500, body: '' },
      listensOn: [{ address: HERE }],
      output: '',
    })
    expect(failure.message).toMatch(READABLE)
  })
})

describe('output', () => {
  /** The output of a program that this process prints meanwhile. */
  function printing(): () => string {
    let printed = ''
    for (const stream of [process.stdout, process.stderr]) {
      const spy = vi.spyOn(stream, 'write').mockImplementation((text) => {
        printed += text
        return true
      })
      onTestFinished(() => spy.mockRestore())
    }
    return () => printed
  }

  const WORDS = "console.log('out'); console.error('err');"

  it('prints nothing by default, neither while it waits nor when it fails', async () => {
    const printed = printing()
    await using child = await start(`${WORDS} server()`, { ready: /err/ })
    await child.stop()
    expect((await failureOf(start(`${WORDS} process.exitCode = 1`))).stderr).toBe('err\n')
    expect(printed()).toBe('')
    expect([child.stdout, child.stderr]).toEqual(['out\n', 'err\n'])
  })

  it("'on-failure' prints the kept output of a program that fails, once, until its end", async () => {
    const printed = printing()
    const mode = { output: 'on-failure' } as const
    await using fine = await start(`${WORDS} server()`, { ...mode, ready: /err/ })
    await fine.stop()
    expect(printed()).toBe('')
    await failureOf(start(WORDS, mode))
    expect(printed()).toBe('out\nerr\n')
    await failureOf(start("process.stdout.write('x'.repeat(300_000) + 'last words', () => process.exit(3))", mode))
    expect(printed()).toMatch(/^out\nerr\nx{16374}last words$/)
    const before = printed().length
    await unready((timeout) => spawnListening(node, program(`${WORDS} stay()`), { ...mode, timeout }), /err\n/)
    expect(printed().slice(before)).toMatch(/^(out\nerr\n)+$/)
  })

  it("'on-failure' prints the output of a program that fails after it was ready", async () => {
    const printed = printing()
    const code = "server(); process.on('SIGUSR2', () => console.log('bye', process.exit(4)))"
    const child = await start(code.replace("'bye', process.exit(4)", "'bye') || process.exit(4"), {
      output: 'on-failure',
    })
    child.child.kill('SIGUSR2')
    expect(await child.exited).toEqual({ code: 4, signal: null })
    await child.stop()
    expect(printed()).toBe('')
  })

  it("'ignore' drops it, says so, and is invalid with a condition on output", async () => {
    await using child = await start(`${WORDS} server()`, { output: 'ignore' })
    expect([child.stdout, child.stderr]).toEqual(['', ''])
    const failure = await failureOf(start(WORDS, { output: 'ignore' }))
    expect(failure.message).toContain("got        no output: output: 'ignore' drops it\n")
    for (const ready of [/up/, { output: /up/ }, ['listening', /up/]] as const) {
      const refused = await failureOf(start(WORDS, { output: 'ignore', ready: ready as Ready }))
      expect(refused).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE', argument: 'output' })
      expect(refused.message).toMatch(READABLE)
    }
  })

  it("'inherit' prints it as it comes, and keeps it", async () => {
    const code = `
      const { spawnListening } = await import(process.env.PORTSIDE)
      const child = await spawnListening(process.execPath, ${JSON.stringify(program(`${WORDS} server()`))}, { output: 'inherit', ready: /err/ })
      await child.stop()
      console.log(JSON.stringify([child.stdout, child.stderr]))`
    const [command, ...args] = moduleOf(code)
    const { stdout, stderr } = await promisify(execFile)(command, args)
    expect(stdout).toBe('out\n["out\\n","err\\n"]\n')
    expect(stderr).toBe('err\n')
  })
})
