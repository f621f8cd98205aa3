import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type http from 'node:http'
import https from 'node:https'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  listenHttp,
  listenTcp,
  type ReadyWaitOptions,
  reservePort,
  waitForListening,
  waitForReady,
} from '../../src/index.js'
import { processCertificate } from '../../src/servers/certificate.js'
import { HERE, HERE_IN_URL } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { READABLE } from '../support/readable.js'
import { type Failure, failureOf, fixture, unready } from './programs.js'

leavesNothingOpen({ lingers: true })

/** The error of a wait for an answer that never changes. */
const refusal = (url: string | URL, options: ReadyWaitOptions, seen: RegExp): Promise<Failure> =>
  unready((timeout) => waitForReady(url, { interval: 5, ...options, timeout }), seen, 40)

/** Answers with the status in the path and the body after `?`. */
const byPath: http.RequestListener = ({ url = '' }, response) => {
  const { pathname, search } = new URL(url, 'http://localhost')
  response.writeHead(Number(pathname.slice(1)), { location: '/200' }).end(search.slice(1))
}

describe('waitForReady', () => {
  it('accepts a status from 200 to 399, and follows no redirect', async () => {
    const paths: Array<string | undefined> = []
    await using server = await listenHttp((request, response) => {
      paths.push(request.url)
      byPath(request, response)
    })
    for (const status of [200, 204, 302, 399]) await waitForReady(`${server.url}${status}`)
    expect(await waitForReady(new URL('/302?a=b', server.url), { status: 302, body: /^a=b$/g })).toBeUndefined()
    expect(paths).toEqual(['/200', '/204', '/302', '/399', '/302?a=b'])
    const failure = await refusal(`${server.url}302`, { status: 200 }, /status 302/)
    expect(failure).toMatchObject({ code: 'ERR_PORTSIDE_NOT_READY', lastAnswer: { status: 302, body: '' } })
    expect(failure.message).toMatch(/^Cannot wait until \S+ is ready: it is not ready after \d+ ms\.\n/)
    expect(failure.message).toContain(`expected   GET ${server.url}302 to answer with status 200\n`)
    expect(failure.message).toContain('got        status 302, an empty body\n  fix        fix what the server answers')
    expect(failure.message).toMatch(READABLE)
  })

  it('waits for the expected status and body', async () => {
    let asked = 0
    await using server = await listenHttp((_request, response) => {
      response.writeHead([503, 200, 200][asked++] ?? 200).end(asked < 3 ? 'warming up' : 'ready')
    })
    await waitForReady(server.url, { body: /^ready$/y, status: (status) => status === 200, interval: 1 })
    expect(asked).toBe(3)
    const failure = await refusal(server.url, { body: /^never$/ }, /status 200/)
    expect(failure.lastAnswer).toEqual({ status: 200, body: 'ready' })
  })

  it('is not ready if a status function throws or returns a promise', async () => {
    await using server = await listenHttp(byPath)
    const boom = new Error('boom')
    const thrower = (): boolean => {
      throw boom
    }
    const failure = await refusal(`${server.url}200?fine`, { status: thrower }, /boom/)
    expect(failure).toMatchObject({ cause: boom, lastAnswer: { status: 200, body: 'fine', error: boom } })
    const promised = (async () => true) as unknown as () => boolean
    expect((await refusal(`${server.url}404`, { status: promised }, /status 404/)).lastAnswer).toMatchObject({
      status: 404,
    })
  })

  it('waits for a server that starts later, on either family of localhost', async () => {
    await using reservation = await reservePort()
    const waiting = waitForReady(`http://localhost:${reservation.port}/health`, { interval: 1 })
    await using _server = await listenHttp((_request, response) => response.end('ok'), { port: reservation })
    await waiting
  })

  it('checks the certificate of a server against ca', async () => {
    const { key, cert, ca } = await processCertificate()
    const secure = https.createServer({ key, cert }, (_request, response) => response.end('ok'))
    await once(secure.listen({ host: HERE, port: 0 }), 'listening')
    const { port } = secure.address() as { port: number }
    try {
      const url = `https://${HERE_IN_URL}:${port}/`
      await waitForReady(url, { ca })
      await waitForReady(`https://localhost:${port}/`, { ca })
      const failure = await refusal(url, {}, /certificate/)
      expect(failure.lastAnswer.error).toBe(failure.cause)
      expect(failure.message).toContain('fix        pass the certificate of the server, or of its authority, as ca')
      // waitForListening() only checks that it is up: it accepts any certificate.
      await waitForListening(new URL('/health', url))
    } finally {
      secure.close()
      secure.closeAllConnections()
      await once(secure, 'close')
    }
  })

  it('reports what came instead: nothing listens, no answer, no HTTP', async () => {
    await using reservation = await reservePort()
    const refused = await refusal(`http://localhost:${reservation.port}/`, {}, /ECONNREFUSED/)
    expect(refused).toMatchObject({
      code: 'ERR_PORTSIDE_NOT_READY',
      cause: { code: 'ECONNREFUSED' },
      lastAnswer: { error: { code: 'ECONNREFUSED' } },
    })
    expect(refused.message).toContain('expected   a connection\n')
    await using silent = await listenTcp((socket) => void socket.on('error', () => {}).resume())
    const unanswered = await refusal(`http://${HERE_IN_URL}:${silent.port}/`, {}, /no answer/)
    expect(unanswered.message).toContain('got        no answer\n')
    await using babbling = await listenTcp((socket) => void socket.on('error', () => {}).end('220 mail\r\n'))
    const other = await refusal(`http://${HERE_IN_URL}:${babbling.port}/`, {}, /Parse Error/)
    expect(other.lastAnswer.error).toMatchObject({ code: 'HPE_INVALID_CONSTANT' })
    for (const { message } of [refused, unanswered, other]) expect(message).toMatch(READABLE)
  })

  it('rejects when the signal aborts, even during a request', async () => {
    const abort = new AbortController()
    await using server = await listenHttp(() => abort.abort())
    const failure = await failureOf(waitForReady(server.url, { signal: abort.signal }))
    expect(failure).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' })
    expect(await failureOf(waitForReady(server.url, { signal: abort.signal }))).toMatchObject({ code: 'ABORT_ERR' })
  })

  it('prints nothing, and does not keep the process alive afterwards', async () => {
    const code = `
      const { waitForReady, listenHttp } = await import(process.env.PORTSIDE)
      const server = await listenHttp((request, response) => response.end('ok'))
      await waitForReady(server.url)
      await waitForReady(server.url, { status: 500, timeout: 30 }).catch(() => {})
      await server.close()`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', code])
    onTestFinished(() => void child.kill('SIGKILL'))
    let printed = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (printed += text))
    expect(await once(child, 'close')).toEqual([0, null])
    expect(printed).toBe('')
  })

  it.each([
    ['a text that is not a URL', 'localhost:3000/health', {}, 'ERR_INVALID_ARG_TYPE', 'url'],
    ['a path', '/health', {}, 'ERR_INVALID_ARG_TYPE', 'url'],
    ['another scheme', 'ftp://localhost/', {}, 'ERR_INVALID_ARG_TYPE', 'url'],
    ['a number', 3000, {}, 'ERR_INVALID_ARG_TYPE', 'url'],
    ['null', null, {}, 'ERR_INVALID_ARG_TYPE', 'url'],
    ['a status', 'http://localhost/', { status: '200' }, 'ERR_INVALID_ARG_VALUE', 'status'],
    ['a status out of range', 'http://localhost/', { status: 600 }, 'ERR_INVALID_ARG_VALUE', 'status'],
    ['a body', 'http://localhost/', { body: 'ok' }, 'ERR_INVALID_ARG_TYPE', 'body'],
    ['a timeout', 'http://localhost/', { timeout: '1s' }, 'ERR_INVALID_ARG_TYPE', 'timeout'],
    ['an interval', 'http://localhost/', { interval: -1 }, 'ERR_OUT_OF_RANGE', 'interval'],
    ['a signal', 'http://localhost/', { signal: {} }, 'ERR_INVALID_ARG_TYPE', 'signal'],
  ])('rejects %s', async (_what, url, options, code, argument) => {
    const failure = await failureOf(waitForReady(url as string, options as ReadyWaitOptions))
    expect(failure).toMatchObject({ code, argument })
    expect(failure.message).toMatch(READABLE)
  })

  it('explains what to pass instead of options of other packages', async () => {
    const options = { validateStatus: () => true } as ReadyWaitOptions
    const failure = await failureOf(waitForReady('http://localhost/', options))
    expect(failure).toMatchObject({ code: 'ERR_PORTSIDE_UNKNOWN_OPTION', argument: 'validateStatus' })
    expect(failure.message).toContain('fix        pass status: a number or a function')
  })
})

describe('waitForListening(target, { ready })', () => {
  it('checks ready at the endpoint that accepted', async () => {
    await using server = await listenHttp(byPath)
    const up = await waitForListening(server, {
      ready: [{ http: '/200?up', body: /up/ }, ({ port }) => port === server.port],
    })
    expect(up).toMatchObject([{ port: server.port }])
    const url = new URL('/503?down', server.url)
    const failure = await unready((timeout) => waitForListening(url, { timeout }), /status 503/, 40)
    expect(failure).toMatchObject({ code: 'ERR_PORTSIDE_WAIT_TIMEOUT', lastAnswer: { status: 503, body: 'down' } })
    expect(failure.message).toMatch(READABLE)
  })

  it('rejects a condition on output, and any condition for a unix socket', async () => {
    const line = { ready: /up/ } as unknown as { ready: () => boolean }
    for (const target of [{ port: 1 }, new URL('http://localhost/health')]) {
      const failure = await failureOf(waitForListening(target, line))
      expect(failure).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE', argument: 'ready' })
      expect(failure.message).toMatch(READABLE)
    }
    const path = { path: fixture('none.sock') }
    const failure = await failureOf(waitForListening(path, { ready: () => true } as object))
    expect(failure).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE', argument: 'ready' })
    expect(failure.message).toMatch(READABLE)
  })
})
