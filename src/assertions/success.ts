import type { EventEmitter } from 'node:events'
import type net from 'node:net'
import type { Endpoint } from '../loopback/endpoint.js'
import { formatEndpoint, toEndpoint, unmapped } from '../loopback/endpoint.js'
import { clearTimeout, setTimeout } from '../timers.js'
import { describeValue } from './fields.js'

/** What an action opened that was to fail. */
export interface Success {
  readonly text: string
  /** Where, as far as that can be told. */
  readonly endpoint: Endpoint | undefined
}

/** What succeeded, by which event, and what that brought. */
export interface Opened {
  readonly opened: unknown
  readonly event?: string | undefined
  readonly brought?: unknown
}

/** Says what it is, with the first that it says itself, and closes it: nobody else has it. */
export async function closeSuccess(success: Opened): Promise<Success> {
  const described = await describe(success).catch(() => ({ text: 'it succeeded', endpoint: undefined }))
  await closeOpened(success.opened)
  return described
}

async function describe({ opened, event, brought }: Opened): Promise<Success> {
  if (typeof opened !== 'object' || opened === null) return told(`it succeeded: ${describeValue(opened)}`)
  const { remoteAddress, remotePort } = opened as Partial<net.Socket>
  if (isSocketLike(opened)) {
    const answer = await answerOf(opened)
    if (typeof remoteAddress !== 'string') return told(`it succeeded: connected to a unix socket, which ${answer}`)
    const endpoint = toEndpoint(unmapped(remoteAddress), remotePort as number)
    return told(`it succeeded: connected to ${formatEndpoint(endpoint)}, which ${answer}`, endpoint)
  }
  const response = event === 'response' ? brought : opened
  const status = statusOf(response)
  if (status !== undefined) {
    const url = urlOf(response as object)
    return told(`it succeeded: ${url === undefined ? '' : `${url} `}answered with HTTP ${status}`, endpointOfUrl(url))
  }
  const bound = boundTo(opened)
  if (typeof bound === 'string') return told(`it succeeded: listening on ${bound}`)
  if (bound !== undefined) return told(`it succeeded: listening on ${formatEndpoint(bound)}`, bound)
  return told(`it succeeded: ${describeValue(opened)}${event === undefined ? '' : `, which emitted '${event}'`}`)
}

const told = (text: string, endpoint?: Endpoint): Success => ({ text, endpoint })

const isSocketLike = (opened: object): opened is net.Socket => 'remoteAddress' in opened && 'setNoDelay' in opened

/** Of a response of fetch, of axios, of `http`, of undici; of HTTP/2 it is among the headers. */
function statusOf(response: unknown): number | undefined {
  const { status, statusCode, headers, ':status': pseudo } = (response ?? {}) as Record<string, unknown>
  const found = statusCode ?? pseudo ?? (headers === undefined ? undefined : status)
  return typeof found === 'number' ? found : undefined
}

function urlOf(response: object): string | undefined {
  const { url, req } = response as { url?: unknown; req?: { protocol?: unknown; host?: unknown; path?: unknown } }
  if (typeof url === 'string' && url !== '') return url
  return typeof req?.protocol === 'string' ? `${req.protocol}//${req.host}${req.path}` : undefined
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

/** The ways of closing something, the quickest first. */
const WAYS = ['destroy', 'terminate', 'disconnect', Symbol.asyncDispose, 'close', 'end'] as const

/** Longest that something gets to close, in milliseconds: nothing hangs for what should not be there. */
const LONGEST_CLOSE = 2000

/** Closes what nobody else has, as well as that can be done, and waits for it. */
export async function closeOpened(opened: unknown): Promise<void> {
  if (typeof opened !== 'object' || opened === null) return
  let timer: ReturnType<typeof setTimeout> | undefined
  const expired = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LONGEST_CLOSE)
  })
  try {
    await Promise.race([close(opened), expired])
  } catch {
    // It could not be closed; that it was opened is what there is to tell.
  } finally {
    clearTimeout(timer)
  }
}

async function close(opened: object): Promise<void> {
  const it = opened as Record<string | symbol, unknown> & { body?: unknown; closed?: unknown }
  const emits = typeof it.on === 'function' && typeof it.once === 'function'
  // It may yet have something to say about its end, and nobody listens any more.
  if (emits) (it as unknown as EventEmitter).on('error', () => {})
  // A datagram socket disconnects from its peer, and stays open.
  const way = WAYS.find((name) => typeof it[name] === 'function' && !(name === 'disconnect' && 'bind' in it))
  if (way === undefined) {
    const { cancel, destroy } = (it.body ?? {}) as { cancel?(): Promise<void>; destroy?(): void }
    await (cancel ?? destroy)?.call(it.body)
    return
  }
  const gone = emits && it.closed !== true ? closing(it as unknown as EventEmitter) : undefined
  const ended = (it[way] as () => unknown)()
  if (way === Symbol.asyncDispose) await ended
  else await gone
}

/** Until it says that it is closed, for as long as those take that do. */
function closing(emitter: EventEmitter): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      clearTimeout(timer)
      emitter.removeListener('close', settle).removeListener('end', settle)
      resolve()
    }
    const timer = setTimeout(settle, PATIENCE)
    emitter.on('close', settle).on('end', settle)
  })
}

/** Where it listens; of a unix server the path. */
function boundTo(opened: object): Endpoint | string | undefined {
  const { endpoint, address } = opened as { endpoint?: unknown; address?: unknown }
  const bound: unknown = endpoint ?? (typeof address === 'function' ? address.call(opened) : undefined)
  if (typeof bound === 'string') return bound
  if (!isEndpoint(bound)) return undefined
  return bound.port === 0 ? bound.address : toEndpoint(bound.address, bound.port)
}

const isEndpoint = (value: unknown): value is Endpoint =>
  typeof value === 'object' && value !== null && 'port' in value && 'address' in value

function endpointOfUrl(url: string | undefined): Endpoint | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined
  const { hostname, port } = new URL(url)
  const address = hostname.replace(/^\[|\]$/g, '')
  return /^[\d.]+$|:/.test(address) && port !== '' ? toEndpoint(address, Number(port)) : undefined
}
