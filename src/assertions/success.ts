import type { EventEmitter } from 'node:events'
import type { ClientRequest } from 'node:http'
import type net from 'node:net'
import { codeOf } from '../errors.js'
import { isArray } from '../explanations/fields.js'
import type { Endpoint } from '../loopback/endpoint.js'
import { formatEndpoint, toEndpoint, unmapped } from '../loopback/endpoint.js'
import { describeValue } from '../message.js'
import { isDatagram, isSocket } from '../platform/node-objects.js'
import { clearTimeout, setTimeout, whenOverdue } from '../timers.js'
import { type Opened, silence } from './emitter.js'

/** The success of an action that was expected to fail. */
export interface Success {
  readonly text: string
  /** Where, if that is known. */
  readonly endpoint: Endpoint | undefined
}

/** Describes a success, with the first bytes that it sends, and closes it: nothing else holds it. */
export async function closeSuccess(success: Opened): Promise<Success> {
  const described = await describe(success).catch(() => ({ text: 'it succeeded', endpoint: undefined }))
  await Promise.all([success.opened, ...(success.brought ?? [])].map(closeOpened))
  return { ...described, text: `it succeeded: ${described.text}` }
}

async function describe({ opened, event, brought = [] }: Opened): Promise<Success> {
  if (typeof opened !== 'object' || opened === null) return told(describeValue(opened))
  if (isArray(opened) && opened.length > 0) return describeAll(opened)
  if (isSocket(opened)) return describeSocket(opened)
  const answer = [opened, ...brought].find((it) => statusOf(it) !== undefined)
  if (answer !== undefined) return describeAnswer(answer as object)
  const bound = boundTo(opened)
  if (typeof bound === 'string') return told(`listening on ${bound}`)
  if (bound !== undefined) return told(`listening on ${formatEndpoint(bound)}`, bound)
  const { socket } = opened as { socket?: unknown }
  if (isSocket(socket)) return describeSocket(socket)
  const what = `${describeValue(opened)}${event === undefined ? '' : `, which emitted '${event}'`}`
  const peer = peerOf(socket)
  return peer === undefined ? told(what) : told(`connected to ${formatEndpoint(peer)}: ${what}`, peer)
}

const told = (text: string, endpoint?: Endpoint): Success => ({ text, endpoint })

async function describeAll(opened: readonly unknown[]): Promise<Success> {
  const [first, ...others] = opened
  if (others.length === 0) return describe({ opened: first })
  const { text, endpoint } = await describe({ opened: first })
  return told(`${text}; and ${others.length} more`, endpoint)
}

async function describeSocket(socket: net.Socket): Promise<Success> {
  const peer = peerOf(socket)
  const answer = await answerOf(socket)
  if (peer === undefined) return told(`connected to a unix socket, which ${answer}`)
  return told(`connected to ${formatEndpoint(peer)}, which ${answer}`, peer)
}

function describeAnswer(answer: object): Success {
  const url = urlOf(answer)
  const { socket } = answer as { socket?: unknown }
  const text = `${url === undefined ? '' : `${url} `}answered with HTTP ${statusOf(answer)}`
  return told(text, peerOf(socket) ?? endpointOfUrl(url))
}

function peerOf(socket: unknown): Endpoint | undefined {
  const { remoteAddress, remotePort } = (socket ?? {}) as Partial<net.Socket>
  if (typeof remoteAddress !== 'string') return undefined
  return toEndpoint(unmapped(remoteAddress), remotePort as number)
}

/** Works for responses of fetch, axios, `http` and undici. HTTP/2 has the status among the headers. */
function statusOf(response: unknown): number | undefined {
  const { status, statusCode, headers, ':status': pseudo } = (response ?? {}) as Record<string, unknown>
  const found = statusCode ?? pseudo ?? (headers === undefined ? undefined : status)
  return typeof found === 'number' ? found : undefined
}

function urlOf(response: object): string | undefined {
  const { url, req } = response as { url?: unknown; req?: Partial<ClientRequest> }
  if (typeof url === 'string' && url !== '') return url
  const host = req?.getHeader?.('host') ?? req?.host
  return typeof req?.protocol === 'string' ? `${req.protocol}//${host}${req.path}` : undefined
}

/** The first bytes that a connection receives: they show what it is connected to. */
async function answerOf(socket: net.Socket): Promise<string> {
  const said: Buffer | string | Silence = socket.readableLength > 0 ? socket.read() : await firstBytes(socket)
  if (isSilence(said)) return said.silence
  const text = String(said).slice(0, LONGEST)
  return `answered ${JSON.stringify(text)}${said.length > LONGEST ? '...' : ''}`
}

/** Why nothing was received. */
interface Silence {
  readonly silence: string
}

const isSilence = (said: Buffer | string | Silence): said is Silence => typeof said === 'object' && 'silence' in said

/** Milliseconds: a server that sends a greeting does so within this time. */
const PATIENCE = 100
const LONGEST = 80

function firstBytes(socket: net.Socket): Promise<Buffer | string | Silence> {
  return new Promise((resolve) => {
    const settle = (said: Buffer | string | Silence): void => {
      cancel()
      socket.removeListener('data', settle).removeListener('end', ended).removeListener('close', ended)
      resolve(said)
    }
    const ended = (): void => settle({ silence: 'closed the connection and sent nothing' })
    const failed = (error: unknown): void => settle({ silence: `closed it with ${codeOf(error) ?? String(error)}` })
    const cancel = whenOverdue(PATIENCE, () => settle({ silence: `sent nothing for ${PATIENCE} ms` }))
    if (socket.destroyed || socket.readableEnded) return socket.errored ? failed(socket.errored) : ended()
    socket.on('error', failed).on('data', settle).on('end', ended).on('close', ended)
  })
}

/** Methods that close something, the quickest first. */
const WAYS = ['destroy', 'terminate', 'disconnect', Symbol.asyncDispose, 'close', 'end'] as const

const mayBeOpen = (it: unknown): boolean =>
  typeof it === 'object' &&
  it !== null &&
  WAYS.some((name) => typeof (it as Record<symbol, unknown>)[name as symbol] === 'function')

/** Milliseconds: an assertion must not hang on something that cannot close. */
const LONGEST_CLOSE = 2000

/** Closes a value by the method it has, and waits for that. */
export async function closeOpened(opened: unknown): Promise<void> {
  if (typeof opened !== 'object' || opened === null) return
  let timer: ReturnType<typeof setTimeout> | undefined
  const expired = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, LONGEST_CLOSE)
  })
  try {
    await Promise.race([close(opened), expired])
  } catch {
    // A failed close must not hide that the action succeeded.
  } finally {
    clearTimeout(timer)
  }
}

async function close(opened: object): Promise<void> {
  // A query returns an array of rows, none of which is open.
  if (isArray(opened)) return void (await Promise.all(opened.filter(mayBeOpen).map(closeOpened)))
  const it = opened as Record<string | symbol, unknown> & { body?: unknown; closed?: unknown }
  const emits = typeof it.on === 'function' && typeof it.once === 'function'
  // It may still emit an error, and no listener is left.
  silence(it)
  // disconnect() of a datagram socket leaves it open.
  const way = WAYS.find((name) => typeof it[name] === 'function' && !(name === 'disconnect' && isDatagram(it)))
  if (way === undefined) {
    // A response, or a result of a client that has the connection in a field.
    const { cancel } = (it.body ?? {}) as { cancel?(): Promise<void> }
    if (cancel !== undefined) return cancel.call(it.body)
    return void (await Promise.all([it.body, it.data, it.socket].filter(mayBeOpen).map(closeOpened)))
  }
  const gone = emits && it.closed !== true ? closing(it as unknown as EventEmitter) : undefined
  const ended = (it[way] as () => unknown)()
  if (way === Symbol.asyncDispose) await ended
  else await gone
}

/** Waits for 'close' or 'end'. The timeout is for emitters that emit neither. */
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

/** The address it listens on; for a unix server the path. */
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
