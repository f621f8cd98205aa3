import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import type net from 'node:net'
import { buildConnector, Agent as UndiciAgent, fetch as undiciFetch } from 'undici'
import type { Client, Reaction } from '../schedule.js'
import { clock, type Seen, type SeenRequest } from '../seen.js'
import { dial, type Playing, type Target, wait, watch } from './connection.js'

type Pooled = Exclude<Client, { kind: 'steps' }>

/** Sends one request and notes its result. Rejects if it is not answered. */
type Ask = (path: string, body: string | undefined, request: SeenRequest) => Promise<string>

interface Pool {
  readonly ask: Ask
  discard(): void
}

/** Clients of a library. Each lane sends requests until one is refused or it has sent enough. */
export function playPooled(
  target: Target,
  seen: Seen,
  client: number,
  { kind, lanes, requests, pause, reaction }: Pooled,
): Playing {
  const pool = POOLS[kind](target, seen, client)
  let finished = false
  let asked = 0
  const lane = async (): Promise<void> => {
    for (let i = 0; i < requests && !finished; i++) {
      const id = `${target.name}.${client}.${asked++}`
      const request: SeenRequest = {
        id,
        client,
        connection: undefined,
        start: undefined,
        writtenAt: undefined,
        answered: false,
        error: undefined,
      }
      seen.requests.push(request)
      try {
        const body = await pool.ask(`/${id}/${reaction.kind}/${reaction.n}`, bodyOf(reaction), request)
        if (body.endsWith(`end:${id}!`) || body.endsWith(`end:${id};`)) request.answered = true
        else request.error = `short: ${body.length}`
      } catch (error) {
        request.error = reasonOf(error)
        if (/REFUSED|ENOENT|GOAWAY|INVALID_SESSION|DESTROYED/.test(request.error)) return
      }
      if (pause > 0) await wait(pause)
    }
  }
  for (let i = 0; i < lanes; i++) void lane()
  return {
    finish: () => {
      finished = true
    },
    discard: () => pool.discard(),
  }
}

const bodyOf = ({ kind, n }: Reaction): string | undefined => (kind === 'upload' ? 'u'.repeat(n) : undefined)

/** The innermost code. */
function reasonOf(error: unknown): string {
  const { cause, code, message } = error as { cause?: unknown; code?: string; message?: string }
  return cause === undefined ? `${code ?? message ?? error}` : reasonOf(cause)
}

const POOLS: Record<Pooled['kind'], (target: Target, seen: Seen, client: number) => Pool> = {
  agent(target, seen, client) {
    const { Agent, request: start } = target.ca === null ? http : https
    const agent = new Agent({ keepAlive: true })
    const watched = new Map<net.Socket, number>()
    const ask: Ask = (path, body, request) =>
      new Promise((resolve, reject) => {
        const method = body === undefined ? 'GET' : 'POST'
        const to = 'path' in target.address ? { socketPath: target.address.path } : target.address
        const own = target.ca === null ? {} : { ca: target.ca, servername: 'localhost' }
        const asking = start({ ...to, ...own, path, method, agent })
        asking.once('socket', (socket) => {
          if (!watched.has(socket)) watched.set(socket, seen.connections.indexOf(watch(socket, seen, client)))
          request.connection = watched.get(socket)
        })
        asking.once('finish', () => {
          request.writtenAt = clock()
        })
        asking.once('error', reject)
        asking.once('response', (response) => {
          let text = ''
          response.setEncoding('latin1').on('data', (chunk) => {
            text += chunk
          })
          response.once('end', () => resolve(text))
          response.once('error', reject)
        })
        asking.end(body)
      })
    return { ask, discard: () => agent.destroy() }
  },

  undici(target, seen, client) {
    const connector = buildConnector({
      ...(target.ca === null ? {} : { ca: target.ca }),
      ...('path' in target.address ? { socketPath: target.address.path } : {}),
    })
    const agent = new UndiciAgent({
      connect: (options, callback) =>
        connector(options, (...[error, socket]) => {
          if (socket !== null && socket !== undefined) watch(socket, seen, client)
          if (error === null) callback(null, socket as net.Socket)
          else callback(error ?? new Error('no socket'), null)
        }),
    })
    const host = 'path' in target.address ? 'localhost' : `localhost:${target.address.port}`
    const origin = `${target.ca === null ? 'http' : 'https'}://${host}`
    const ask: Ask = async (path, body, request) => {
      const post = body === undefined ? {} : { method: 'POST', body }
      const response = await undiciFetch(`${origin}${path}`, { dispatcher: agent, ...post })
      request.writtenAt = undefined
      return response.text()
    }
    return { ask, discard: () => void agent.destroy().catch(() => {}) }
  },

  session(target, seen, client) {
    const { socket, seen: own } = dial(target, seen, client, { h2: true })
    const index = seen.connections.indexOf(own)
    const session = http2.connect('http://localhost', { createConnection: () => socket })
    session.on('error', (error: { code?: string; message: string }) => {
      own.error ??= error.code ?? error.message
    })
    const ask: Ask = (path, body, request) =>
      new Promise((resolve, reject) => {
        request.connection = index
        const stream = session.request({ ':path': path, ':method': body === undefined ? 'GET' : 'POST' })
        let text = ''
        stream.setEncoding('latin1').on('data', (chunk) => {
          text += chunk
        })
        stream.once('error', reject)
        stream.once('close', () => (stream.rstCode === 0 ? resolve(text) : reject(new Error(`rst ${stream.rstCode}`))))
        stream.end(body)
      })
    const discard = (): void => {
      session.destroy()
      // A session does not always close a TLS socket that was cut (Node 20).
      socket.destroy()
    }
    return { ask, discard }
  },
}
