import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import { describe, expect, it, onTestFinished } from 'vitest'
import { listenHttp, listenHttp2, type RequestHandler } from '../../src/index.js'
import { processCertificate } from '../../src/servers/certificate.js'
import { gate, turn } from '../support/clients.js'
import { leavesNothingOpen, watchPort } from '../support/kernel.js'
import { HTTP1_TRANSPORTS, type Running, run } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }
const CLIENTS = 6

/** Resolves with the body, or rejects with the client's error. */
type Ask = () => Promise<string>

interface Client {
  readonly ask: Ask
  stop(): void
}

async function throughAgent({ listener }: Running): Promise<Client> {
  const { ca } = await processCertificate()
  const secure = 'setSecureContext' in listener.server
  const agent = secure ? new https.Agent({ keepAlive: true, ca }) : new http.Agent({ keepAlive: true })
  const target =
    listener.port === 0 ? { socketPath: listener.address } : { host: listener.address, port: listener.port }
  return {
    ask: () =>
      new Promise((resolve, reject) => {
        const request = (secure ? https : http).get({
          ...target,
          servername: 'localhost',
          agent,
        } as https.RequestOptions)
        request.on('error', reject).on('response', (response) => {
          let body = ''
          response.setEncoding('utf8').on('data', (text) => {
            body += text
          })
          response.on('error', reject).on('end', () => resolve(body))
        })
      }),
    stop: () => agent.destroy(),
  }
}

const throughFetch = async ({ listener }: Running): Promise<Client> => {
  const url = `http://${listener.address.includes(':') ? `[${listener.address}]` : listener.address}:${listener.port}/`
  return { ask: async () => (await fetch(url)).text(), stop: () => {} }
}

/** Sends requests in several clients at once until the server refuses them. Counts the answers. */
function hammer({ ask }: Client): {
  readonly answered: () => number
  readonly begun: Promise<void>
  readonly ended: Promise<unknown>
} {
  let answered = 0
  const { opened: begun, open } = gate()
  const one = async (): Promise<void> => {
    for (;;) {
      try {
        expect(await ask()).toBe('hello')
        answered++
        if (answered > 3 * CLIENTS) open()
      } catch (error) {
        const { code } = ((error as Error).cause ?? error) as { code?: string }
        if (['ECONNREFUSED', 'ENOENT'].includes(code ?? '')) return
      }
    }
  }
  return { answered: () => answered, begun, ended: Promise.all(Array.from({ length: CLIENTS }, one)) }
}

const HANDLERS: Array<[string, (answer: () => void) => void]> = [
  ['immediately', (answer) => answer()],
  ['a turn later', (answer) => void turn().then(answer)],
  ['several turns later', (answer) => void turn().then(turn).then(turn).then(turn).then(answer)],
]

const CASES = [
  ...HTTP1_TRANSPORTS.map(({ name, unix, start }) => ({
    name: `an agent, on ${name}`,
    unix,
    start,
    dial: throughAgent,
  })),
  {
    name: 'fetch, on listenHttp()',
    unix: false,
    start: async (handler: RequestHandler) => run((await listenHttp(handler)) as never),
    dial: throughFetch,
  },
]

describe.each(CASES)('six clients that keep sending requests through $name', ({ start, dial, unix }) => {
  it.each(HANDLERS)('get every answer of a handler that answers %s', async (_when, reply) => {
    for (let round = 0; round < 5; round++) {
      let handled = 0
      const server = await start((_request, response) => {
        handled++
        reply(() => void response.end('hello'))
      })
      const left = unix ? () => [] : watchPort(server.listener.port)
      const client = await dial(server)
      const hammering = hammer(client)
      await hammering.begun
      const report = await server.close(LONG)
      await hammering.ended
      client.stop()
      expect(hammering.answered()).toBe(handled)
      expect(report).toMatchObject({ destroyed: 0, reset: 0 })
      expect(report.outcomes.filter(({ error }) => error !== undefined)).toEqual([])
      expect(left()).toEqual([])
    }
  })
})

describe.each([false, true])('six clients of one HTTP/2 session that keep sending requests, secure: %s', (secure) => {
  it('get the answer to every request that was handled', async () => {
    for (let round = 0; round < 5; round++) {
      let handled = 0
      const server = await listenHttp2(
        (_request, response) => {
          handled++
          void turn().then(() => response.end('hello'))
        },
        { secure } as { secure: false },
      )
      const { ca } = await processCertificate()
      const session = http2.connect(server.url, { ca })
      onTestFinished(() => session.destroy())
      session.on('error', () => {})
      const ask: Ask = () =>
        new Promise((resolve, reject) => {
          if (session.closed || session.destroyed) return reject(Object.assign(new Error(), { code: 'ECONNREFUSED' }))
          const stream = session.request({ ':path': '/' })
          let body = ''
          stream.setEncoding('utf8').on('data', (text) => {
            body += text
          })
          stream
            .on('error', reject)
            .on('end', () => (stream.rstCode === 0 ? resolve(body) : reject(new Error('reset'))))
        })
      const hammering = hammer({ ask, stop: () => {} })
      await hammering.begun
      const report = await server.close(LONG)
      await hammering.ended
      expect(hammering.answered()).toBe(handled)
      expect(report).toMatchObject({ closed: 1, destroyed: 0, reset: 0 })
    }
  })
})

describe.each(HTTP1_TRANSPORTS)('a client with one connection, on $name', ({ start }) => {
  it('gets the answer to the request that waited behind an earlier response', async () => {
    const { opened, open } = gate<http.ServerResponse>()
    const server = await start((request, response) => {
      if (request.url === '/second') return response.end('second')
      response.write('fir')
      open(response)
    })
    const { ca } = await processCertificate()
    const secure = 'setSecureContext' in server.listener.server
    const options = { keepAlive: true, maxSockets: 1 }
    const agent = secure ? new https.Agent({ ...options, ca }) : new http.Agent(options)
    onTestFinished(() => agent.destroy())
    const { address, port } = server.listener
    const ask = (path: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const target = port === 0 ? { socketPath: address } : { host: address, port }
        const request = (secure ? https : http).get({
          ...target,
          path,
          agent,
          servername: 'localhost',
        } as https.RequestOptions)
        request.on('error', reject).on('response', (response) => {
          let body = ''
          response.setEncoding('utf8').on('data', (text) => {
            body += text
          })
          response.on('error', reject).on('end', () => resolve(body))
        })
      })
    const answers = Promise.allSettled([ask('/first'), ask('/second')])
    const first = await opened
    const closing = server.close(LONG)
    await turn().then(turn)
    first.end('st')
    expect(await closing).toMatchObject({ closed: 1, destroyed: 0, reset: 0 })
    const [one, two] = await answers
    expect(one).toEqual({ status: 'fulfilled', value: 'first' })
    // The two ends of a unix socket cannot be matched, so the client's next request is not expected.
    if (port !== 0) expect(two).toEqual({ status: 'fulfilled', value: 'second' })
  })
})
