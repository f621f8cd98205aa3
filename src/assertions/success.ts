import type net from 'node:net'
import type { Endpoint } from '../loopback/endpoint.js'
import { formatEndpoint, toEndpoint, unmapped } from '../loopback/endpoint.js'
import { clearTimeout, setTimeout } from '../timers.js'
import { describeValue } from './explain.js'

/** What an action opened that was to fail. */
export interface Success {
  readonly text: string
  /** Where, as far as that can be told. */
  readonly endpoint: Endpoint | undefined
}

/** Says what it is, with the first that it says itself, and closes it: nobody else has it. */
export async function closeSuccess(opened: unknown, event?: string): Promise<Success> {
  const success = await describe(opened, event)
  await close(opened)
  return success
}

async function describe(opened: unknown, event: string | undefined): Promise<Success> {
  const it = (opened ?? {}) as Partial<net.Socket & net.Server & Response & { statusCode: number; listening: boolean }>
  if (typeof it.remoteAddress === 'string' && typeof it.remotePort === 'number') {
    const endpoint = toEndpoint(unmapped(it.remoteAddress), it.remotePort)
    return {
      text: `it succeeded: connected to ${formatEndpoint(endpoint)}, which ${await answerOf(it as net.Socket)}`,
      endpoint,
    }
  }
  if (typeof it.statusCode === 'number')
    return { text: `it succeeded: ${requestOf(it)} answered with HTTP ${it.statusCode}`, endpoint: undefined }
  if (typeof it.status === 'number' && 'headers' in it) {
    return { text: `it succeeded: ${it.url} answered with HTTP ${it.status}`, endpoint: endpointOfUrl(it.url) }
  }
  const endpoint = boundTo(it)
  if (endpoint !== undefined) return { text: `it succeeded: listening on ${formatEndpoint(endpoint)}`, endpoint }
  const by = event === undefined ? '' : `, which emitted '${event}'`
  return { text: `it succeeded: ${describeValue(opened)}${by}`, endpoint: undefined }
}

/** The URL that a response of `http` answers. */
function requestOf(response: object): string {
  const { req } = response as { req?: { protocol?: string; host?: string; path?: string } }
  return req === undefined ? 'the server' : `${req.protocol}//${req.host}${req.path}`
}

/** What a connection says first, for who wonders what it is connected to. */
async function answerOf(socket: net.Socket): Promise<string> {
  const said: Buffer | string | null = socket.readableLength > 0 ? socket.read() : await firstBytes(socket)
  if (said === null) return `said nothing for ${PATIENCE} ms`
  const text = String(said).slice(0, LONGEST)
  return `answered ${JSON.stringify(text)}${said.length > LONGEST ? '...' : ''}`
}

/** Milliseconds in which a server greets that greets at all. */
const PATIENCE = 100
const LONGEST = 80

function firstBytes(socket: net.Socket): Promise<Buffer | string | null> {
  return new Promise((resolve) => {
    const settle = (said: Buffer | string | null): void => {
      clearTimeout(timer)
      socket.removeListener('data', settle).removeListener('close', nothing)
      resolve(said)
    }
    const nothing = (): void => settle(null)
    const timer = setTimeout(nothing, PATIENCE)
    socket
      .on('error', () => {})
      .on('data', settle)
      .on('close', nothing)
  })
}

type Closable = Partial<{
  [Symbol.asyncDispose](): PromiseLike<void>
  body: { cancel?(): Promise<void>; destroy?(): void } | null
  resetAndDestroy(): void
  destroy(): void
  terminate(): void
  disconnect(): void
  close(done?: () => void): void
  once(event: string, listener: () => void): void
  on(event: string, listener: () => void): void
  closed: boolean
}>

async function close(opened: unknown): Promise<void> {
  if (typeof opened !== 'object' || opened === null) return
  const it = opened as Closable
  // It may yet have something to say about its end, and nobody listens any more.
  if ('on' in it && 'once' in it) it.on?.('error', () => {})
  try {
    if (typeof it.destroy === 'function') await closed(it, () => it.destroy?.())
    else if (typeof it.terminate === 'function') await closed(it, () => it.terminate?.())
    else if (typeof it[Symbol.asyncDispose] === 'function') await it[Symbol.asyncDispose]?.()
    else if (typeof it.disconnect === 'function') it.disconnect()
    else if (typeof it.close === 'function' && 'once' in it) await closed(it, () => it.close?.())
    else if (it.body) await (it.body.cancel?.() ?? it.body.destroy?.())
  } catch {
    // It could not be closed; that it was opened is what there is to tell.
  }
}

function closed(it: Closable, end: () => void): Promise<void> {
  return new Promise((resolve) => {
    if (it.closed === true || typeof it.once !== 'function') {
      end()
      return resolve()
    }
    const timer = setTimeout(resolve, PATIENCE)
    it.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
    end()
  })
}

function boundTo(it: { endpoint?: unknown; address?: unknown }): Endpoint | undefined {
  if (isEndpoint(it.endpoint)) return it.endpoint
  if (typeof it.address !== 'function') return undefined
  try {
    const bound: unknown = it.address()
    return isEndpoint(bound) ? toEndpoint(bound.address, bound.port) : undefined
  } catch {
    // A datagram socket that is not bound.
    return undefined
  }
}

const isEndpoint = (value: unknown): value is Endpoint =>
  typeof value === 'object' && value !== null && 'port' in value && 'address' in value

function endpointOfUrl(url: unknown): Endpoint | undefined {
  if (typeof url !== 'string' || !URL.canParse(url)) return undefined
  const { hostname, port } = new URL(url)
  const address = hostname.replace(/^\[|\]$/g, '')
  return /^[\d.]+$|:/.test(address) && port !== '' ? toEndpoint(address, Number(port)) : undefined
}
