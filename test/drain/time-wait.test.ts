import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import tls from 'node:tls'
import { buildConnector, Agent as UndiciAgent, fetch as undiciFetch } from 'undici'
import { describe, expect, it, onTestFinished, type TestContext } from 'vitest'
import { listenHttp } from '../../src/index.js'
import { processCertificate } from '../../src/servers/certificate.js'
import { gate, get, type Peer, targetOf, turn, until, watch } from '../support/clients.js'
import { leavesNothingOpen, needsKernel, watchPort } from '../support/kernel.js'
import { HTTP1_KINDS, type Running, run, STREAM_KINDS } from './kinds.js'

leavesNothingOpen()

/** Longer than a test may take, so a test that waits for it fails. */
const LONG = { grace: 600_000 }

/** Runs a user's client before close() is called. The result is called during the drain. */
interface Scene {
  readonly server: Running
  readonly secure: boolean
  readonly ca: string
  /** Responses to '/held', until the test answers them. */
  readonly held: http.ServerResponse[]
  /** Every 'error' that a client's code saw. */
  readonly errors: unknown[]
}
type Act = (scene: Scene) => Promise<undefined | (() => Promise<unknown>)>

/** Every 'error' of every client socket that this process makes with `net.connect()`, as `fetch` does. */
function watchClientSockets(errors: unknown[]): void {
  const heard = (message: unknown): void => noteErrors((message as { socket: net.Socket }).socket, errors)
  diagnostics.subscribe('net.client.socket', heard)
  onTestFinished(() => void diagnostics.unsubscribe('net.client.socket', heard))
}

/** Undici destroys an ended socket with its own error, which does not come from the kernel and is shown nowhere. */
function noteErrors(socket: net.Socket, errors: unknown[]): void {
  socket.on('error', (error: { code?: string }) => {
    if (!error.code?.startsWith('UND_ERR')) errors.push(error)
  })
}

function dial({ server, secure, ca }: Scene, options: { reads: boolean }): Promise<Peer> {
  return connected(
    secure
      ? tls.connect({ ...targetOf(server.listener), ca, servername: 'localhost' })
      : net.connect(targetOf(server.listener)),
    options,
  )
}

async function connected(socket: net.Socket, options: { reads: boolean }): Promise<Peer> {
  const peer = watch(socket, options)
  if (socket.connecting) await peer.connected
  return peer
}

function agentOf({ secure, ca, errors }: Scene, options: http.AgentOptions): http.Agent {
  const agent = secure ? new https.Agent({ ...options, ca, servername: 'localhost' }) : new http.Agent(options)
  const create = (agent as unknown as { createConnection: (...args: unknown[]) => net.Socket }).createConnection
  Object.assign(agent, {
    createConnection: (...args: unknown[]) => create.apply(agent, args).on('error', (error) => void errors.push(error)),
  })
  onTestFinished(() => agent.destroy())
  return agent
}

function ask({ server, secure, ca, errors }: Scene, path: string, agent?: http.Agent | false): Promise<string> {
  const { address: host, port } = server.listener
  return new Promise((resolve) => {
    const options = { host, port, path, ca, servername: 'localhost', ...(agent === undefined ? {} : { agent }) }
    const request = (secure ? https : http).request(options, async (response) => {
      let text = ''
      response.on('error', (error) => errors.push(error))
      for await (const chunk of response) text += chunk
      resolve(text)
    })
    request.on('error', (error) => {
      errors.push(error)
      resolve(String(error))
    })
    request.end()
  })
}

/** The global fetch, or undici's with the certificate authority of the server. */
function fetcher({ server, secure, ca, errors }: Scene): (path: string) => Promise<{ text(): Promise<string> }> {
  const base = `${secure ? 'https' : 'http'}://${server.listener.address}:${server.listener.port}`
  if (!secure) return (path) => fetch(base + path)
  const connect = buildConnector({ ca, servername: 'localhost' })
  const dispatcher = new UndiciAgent({
    connect: (options, callback) =>
      connect(options, (...[error, socket]) => {
        if (socket !== null) noteErrors(socket, errors)
        ;(callback as (...args: unknown[]) => void)(error, socket)
      }),
  })
  onTestFinished(() => dispatcher.destroy())
  return (path) => undiciFetch(base + path, { dispatcher })
}

/** Answers the held requests, in the middle of the drain. */
async function release({ held }: Scene): Promise<void> {
  await turn().then(turn).then(turn).then(turn)
  for (const response of held) response.end('held')
}

const HTTP_ACTS: Array<[name: string, act: Act]> = [
  [
    'an idle socket of an agent',
    async (scene) => {
      const agent = agentOf(scene, { keepAlive: true })
      expect(await Promise.all([ask(scene, '/', agent), ask(scene, '/', agent)])).toEqual(['now', 'now'])
      await until(() => Object.values(agent.freeSockets).flat().length === 2)
      return undefined
    },
  ],
  [
    'an idle socket of the global agent',
    async (scene) => {
      expect(await ask(scene, '/')).toBe('now')
      return undefined
    },
  ],
  [
    'a request in flight of an agent that keeps alive',
    async (scene) => {
      const answer = ask(scene, '/held', agentOf(scene, { keepAlive: true }))
      await until(() => scene.held.length === 1)
      return async () => {
        await release(scene)
        expect(await answer).toBe('held')
      }
    },
  ],
  [
    'a request in flight of an agent with more requests waiting for the same socket',
    async (scene) => {
      const agent = agentOf(scene, { keepAlive: true, maxSockets: 1 })
      const answers = [ask(scene, '/held', agent), ask(scene, '/', agent)]
      await until(() => scene.held.length === 1)
      return async () => {
        await release(scene)
        expect(await answers[0]).toBe('held')
        // The second request needs a new connection, but the server no longer listens.
        expect(await answers[1]).toContain('ECONNREFUSED')
        for (const error of scene.errors.splice(0)) expect(error).toMatchObject({ code: 'ECONNREFUSED' })
      }
    },
  ],
  [
    'a request in flight without an agent',
    async (scene) => {
      const answer = ask(scene, '/held', false)
      await until(() => scene.held.length === 1)
      return async () => {
        await release(scene)
        expect(await answer).toBe('held')
      }
    },
  ],
  [
    'an idle socket of fetch',
    async (scene) => {
      const fetched = fetcher(scene)
      const answers = await Promise.all([fetched('/'), fetched('/')])
      expect(await Promise.all(answers.map((response) => response.text()))).toEqual(['now', 'now'])
      return undefined
    },
  ],
  [
    'a fetch in flight',
    async (scene) => {
      const answer = fetcher(scene)('/held').then((response) => response.text())
      await until(() => scene.held.length === 1)
      return async () => {
        await release(scene)
        expect(await answer).toBe('held')
      }
    },
  ],
  [
    'a fetch whose body is not read yet',
    async (scene) => {
      const response = await fetcher(scene)('/')
      return async () => {
        await turn().then(turn).then(turn).then(turn)
        expect(await response.text()).toBe('now')
      }
    },
  ],
  [
    'a raw client that iterates over its idle connection',
    async (scene) => {
      const peer = await dial(scene, { reads: false })
      peer.write(get('/'))
      let text = ''
      const over = (async () => {
        for await (const chunk of peer.socket) text += chunk
      })()
      await until(() => text.endsWith('now'))
      return async () => {
        await over
        scene.errors.push(...peer.errors)
      }
    },
  ],
  [
    'a raw client that iterates over an answer in flight',
    async (scene) => {
      const peer = await dial(scene, { reads: false })
      peer.write(get('/held'))
      await until(() => scene.held.length === 1)
      return async () => {
        const over = (async () => {
          let text = ''
          for await (const chunk of peer.socket) text += chunk
          return text
        })()
        await release(scene)
        expect(await over).toMatch(/held$/)
        scene.errors.push(...peer.errors)
      }
    },
  ],
  [
    'a raw client that has sent nothing',
    async (scene) => {
      const peer = await dial(scene, { reads: true })
      return async () => {
        await peer.closed
        expect(peer.events).toEqual(['end', 'close'])
      }
    },
  ],
  [
    'an answer that a raw client reads after close()',
    async (scene) => {
      const peer = await dial(scene, { reads: false })
      const answering = once(scene.server.listener.server, 'request')
      peer.write(get('/'))
      await answering
      return async () => {
        await scene.server.close(LONG)
        let text = ''
        for await (const chunk of peer.socket) text += chunk
        expect(text).toMatch(/now$/)
        scene.errors.push(...peer.errors)
      }
    },
  ],
  [
    'an idle client of server.connect()',
    async (scene) => {
      const peer = await connected(
        await scene.server.listener.connect({ tls: { ca: scene.ca, ALPNProtocols: ['http/1.1'] } }),
        { reads: true },
      )
      peer.write(get('/'))
      await peer.receives('now')
      return async () => {
        await peer.closed
        expect(peer.events).toEqual(['end', 'close'])
      }
    },
  ],
]

const STREAM_ACTS: Array<[name: string, act: Act]> = [
  [
    'a client that has received from the server',
    async (scene) => {
      const peer = await dial(scene, { reads: true })
      await peer.receives('welcome')
      return async () => {
        await peer.closed
        expect(peer.events).toEqual(['end', 'close'])
      }
    },
  ],
  [
    'a client that both ends have written to',
    async (scene) => {
      const peer = await dial(scene, { reads: true })
      peer.write('echo')
      await peer.receives('echo')
      return async () => {
        await peer.closed
        expect(peer.events).toEqual(['end', 'close'])
      }
    },
  ],
  [
    'a client that iterates',
    async (scene) => {
      const peer = await dial(scene, { reads: false })
      let text = ''
      const over = (async () => {
        for await (const chunk of peer.socket) text += chunk
      })()
      await until(() => text === 'welcome')
      return async () => {
        await over
        scene.errors.push(...peer.errors)
      }
    },
  ],
  [
    "a client that ends its half on 'end', as most do by hand",
    async (scene) => {
      const peer = await dial(scene, { reads: true })
      peer.socket.on('end', () => peer.socket.end())
      return async () => {
        await peer.closed
        scene.errors.push(...peer.errors)
      }
    },
  ],
  [
    "a client that destroys itself on 'end'",
    async (scene) => {
      const peer = await dial(scene, { reads: true })
      peer.socket.on('end', () => peer.socket.destroy())
      return async () => {
        await peer.closed
        expect(peer.events).toEqual(['end', 'close'])
      }
    },
  ],
  [
    'a half-open client that answers the end with its own',
    async (scene) => {
      const options = { ...targetOf(scene.server.listener), allowHalfOpen: true, ca: scene.ca, servername: 'localhost' }
      const peer = await connected(scene.secure ? tls.connect(options) : net.connect(options), { reads: true })
      peer.socket.on('end', () => peer.socket.end())
      return async () => {
        await peer.closed
        expect(peer.events).toEqual(['end', 'close'])
      }
    },
  ],
  [
    'data that a client reads after close()',
    async (scene) => {
      const peer = await dial(scene, { reads: false })
      return async () => {
        await scene.server.close(LONG)
        let text = ''
        for await (const chunk of peer.socket) text += chunk
        expect(text).toBe('welcome')
        scene.errors.push(...peer.errors)
      }
    },
  ],
  [
    'data that a client reads slowly during the drain',
    async (scene) => {
      const peer = await dial(scene, { reads: false })
      return async () => {
        let text = ''
        for await (const chunk of peer.socket) {
          text += chunk
          await turn()
        }
        expect(text).toBe('welcome')
        scene.errors.push(...peer.errors)
      }
    },
  ],
  [
    'a client of server.connect()',
    async (scene) => {
      const peer = await connected(await scene.server.listener.connect({ tls: { ca: scene.ca } }), { reads: true })
      peer.write('echo')
      await peer.receives('echo')
      return async () => {
        await peer.closed
        expect(peer.events).toEqual(['end', 'close'])
      }
    },
  ],
]

async function play(context: TestContext, server: Running, secure: boolean, held: http.ServerResponse[], act: Act) {
  needsKernel(context)
  const left = watchPort(server.listener.port)
  const { ca } = await processCertificate()
  const scene: Scene = { server, secure, ca, held, errors: [] }
  watchClientSockets(scene.errors)
  const whileDraining = await act(scene)
  const closing = server.close(LONG)
  await Promise.all([closing, whileDraining?.()])
  expect(await closing).toMatchObject({ destroyed: 0, reset: 0 })
  expect(scene.errors).toEqual([])
  expect(server.errors).toEqual([])
  expect(left()).toEqual([])
}

describe.each(HTTP1_KINDS.filter(({ unix }) => !unix))(
  'no TIME_WAIT and no error is left on $name',
  ({ start, secure }) => {
    it.for(HTTP_ACTS)('by %s', async ([, act], context) => {
      const held: http.ServerResponse[] = []
      const server = await start((request, response) => {
        if (request.url === '/held') held.push(response)
        else response.end('now')
      })
      await play(context, server, secure, held, act)
    })
  },
)

describe.each(STREAM_KINDS.filter(({ unix }) => !unix))(
  'no TIME_WAIT and no error is left on $name',
  ({ start, secure }) => {
    it.for(STREAM_ACTS)('by %s', async ([, act], context) => {
      const server = await start((socket) => {
        socket.write('welcome')
        socket.pipe(socket)
      })
      await play(context, server, secure, [], act)
    })
  },
)

describe('five hundred idle connections and fifty requests in flight', () => {
  it('are all closed or answered, and leave no TIME_WAIT', async (context) => {
    needsKernel(context)
    const { opened, open } = gate()
    let asked = 0
    const listener = await listenHttp(async (request, response) => {
      if (request.url === '/held') {
        asked++
        await opened
      }
      response.end('answer')
    })
    const server = run(listener)
    const left = watchPort(listener.port)
    const scene: Scene = { server, secure: false, ca: '', held: [], errors: [] }
    const agent = agentOf(scene, { keepAlive: true, maxFreeSockets: 500 })
    const busy = agentOf(scene, { keepAlive: true })
    await Promise.all(Array.from({ length: 500 }, () => ask(scene, '/', agent)))
    const answers = Array.from({ length: 50 }, () => ask(scene, '/held', busy))
    await until(() => asked === 50)
    const closing = server.close(LONG)
    await turn().then(turn).then(turn).then(turn)
    open()
    const report = await closing
    expect(await Promise.all(answers)).toEqual(Array(50).fill('answer'))
    expect(report).toMatchObject({ closed: 550, destroyed: 0, reset: 0 })
    expect([...scene.errors, ...server.errors]).toEqual([])
    expect(left()).toEqual([])
  })
})

describe.each(HTTP1_KINDS.filter(({ unix }) => !unix))('a client that hangs up before its answer, on $name', (kind) => {
  it.each([
    ['socket', 'a request', get('/held')],
    ['response', 'a request', get('/held')],
    ['socket', 'half of an upload', 'POST /held HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf'],
    ['response', 'half of an upload', 'POST /held HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf'],
  ] as const)('leaves no TIME_WAIT where the handler destroys the %s of %s', async (destroyed, _what, asked) => {
    const held: http.ServerResponse[] = []
    const server = await kind.start((request, response) => {
      held.push(response)
      request.once('close', () => (destroyed === 'socket' ? request.socket : response).destroy())
    })
    const left = watchPort(server.listener.port)
    const scene: Scene = { server, secure: kind.secure, ca: (await processCertificate()).ca, held, errors: [] }
    const peer = await dial(scene, { reads: true })
    peer.write(asked)
    await until(() => held.length === 1)
    const closing = server.close(LONG)
    await turn().then(turn).then(turn)
    peer.socket.destroy()
    await closing
    expect(peer.errors).toEqual([])
    expect(left()).toEqual([])
  })
})
