import type dgram from 'node:dgram'
import type net from 'node:net'
import { Fields } from '../explanations/fields.js'
import type { Endpoint } from '../loopback/endpoint.js'
import { answerTo } from '../platform/node-internals.js'
import { canListen, isDatagram, isRequest, isSocket } from '../platform/node-objects.js'
import { connectionTuple, formatTuple } from '../sockets/tuple.js'

/** The first result of an action: an error, after which it may still be open, a success, or neither. */
export type FirstEnd =
  | { readonly error: unknown; readonly open?: boolean }
  | { readonly nothing: string; readonly endpoint?: Endpoint | undefined }
  | Opened

/** The object that succeeded, its event of success, and the arguments of that event. */
export interface Opened {
  readonly opened: unknown
  readonly event?: string | undefined
  readonly brought?: readonly unknown[]
}

export type Done = (end: FirstEnd) => void

/**
 * When the expected outcome would come. It decides which event means success: a bind fails instead of 'listening', a connect
 * instead of 'connect', and a connection fails after both.
 */
export type Phase = 'bind' | 'connect' | 'connection'

/** Calls `done` at the first event that decides. Returns a function that removes the listeners. */
export function watchEmitter(emitter: Emitter, phase: Phase, done: Done): () => void {
  const listeners: Array<readonly [event: string, listener: Listener]> = []
  const listen = (event: string, listener: Listener): void => {
    listeners.push([event, listener])
    emitter.on(event, listener)
  }
  const off = (): void => {
    for (const [event, listener] of listeners) emitter.removeListener(event, listener)
  }
  // A stream of HTTP/2 fails together with its session, which also emits the error.
  silence((emitter as { session?: unknown }).session)
  listen('error', (error) => {
    if (mayFailAgain(emitter)) silence(emitter)
    done({ error })
  })
  listen('timeout', () => {
    silence(emitter)
    done({ error: ownTimeout(), open: true })
  })
  // A closed socket no longer has its addresses.
  let tuple = tupleOf(emitter)
  if (isSocket(emitter)) {
    listen('connect', () => {
      tuple = tupleOf(emitter)
    })
  }
  listen('close', () => done(closeOf(tuple)))
  for (const event of successesOf(emitter, phase)) {
    listen(event, (...brought) => done({ opened: emitter, event, brought }))
  }
  reportPast(emitter, phase, done)
  return off
}

type Tuple = ReturnType<typeof connectionTuple>

const tupleOf = (emitter: Emitter): Tuple | undefined =>
  isSocket(emitter) && isConnected(emitter) ? connectionTuple(emitter) : undefined

function closeOf(tuple: Tuple | undefined): FirstEnd {
  if (tuple === undefined) return { nothing: 'a close without an error' }
  return { nothing: `a close of ${formatTuple(tuple)} without an error`, endpoint: peerIn(tuple) }
}

const peerIn = (tuple: Tuple | undefined): Endpoint | undefined =>
  typeof tuple?.remote === 'object' ? tuple.remote : undefined

/** A client of a library may reconnect. A stream does not, and a server only if its user says so. */
const mayFailAgain = (emitter: Emitter): boolean =>
  !(isSocket(emitter) || isDatagram(emitter) || isRequest(emitter) || canListen(emitter))

/** Reports what happened before the listeners were added. */
function reportPast(emitter: Emitter, phase: Phase, done: Done): void {
  const { errored, destroyed, listening, socket } = emitter as Partial<net.Socket & net.Server> & {
    socket?: net.Socket
  }
  // A request does not keep the error of its connection.
  const error = errored ?? (isSocket(emitter) ? undefined : socket?.errored)
  if (error) done({ error })
  else if (destroyed) done({ nothing: 'it was already closed, without an error' })
  // Without a name to look up, Node binds synchronously and emits 'listening' later (lib/net.js).
  else if (listening) done({ opened: emitter })
  else if (!isSocket(emitter)) return
  else if (phase !== 'connection' && isConnected(emitter)) done({ opened: emitter })
  // Only a reader sees the end of the stream.
  else if (phase === 'connection' && emitter.readableFlowing === null) emitter.resume()
}

const isConnected = (socket: net.Socket): boolean => !socket.connecting && socket.remoteAddress !== undefined

/** Whether the value of a promise is still connecting or binding. A database client is already open. */
export function isUnderWay(emitter: Emitter, phase: Phase): boolean {
  const { connecting, readyState, listening } = emitter as {
    connecting?: unknown
    readyState?: unknown
    listening?: unknown
  }
  if (isSocket(emitter)) return emitter.connecting || phase === 'connection'
  if (canListen(emitter)) return listening === false
  if (isDatagram(emitter)) return phase !== 'bind' || !isBound(emitter)
  // A connecting HTTP/2 session or WebSocket, or a request without an answer.
  return connecting === true || readyState === 0 || (isRequest(emitter) && answerTo(emitter) === undefined)
}

function isBound(socket: dgram.Socket): boolean {
  try {
    return socket.address().port > 0
  } catch {
    return false
  }
}

/** The events of success. */
function successesOf(emitter: Emitter, phase: Phase): readonly string[] {
  if (isDatagram(emitter)) return phase === 'bind' ? ['listening'] : ['message']
  if (canListen(emitter)) return ['listening']
  // A request emits these for an answer to CONNECT and for a switch of protocols (http.ClientRequest).
  if (isRequest(emitter)) return ['response', 'connect', 'upgrade']
  if (phase === 'connection') return isSocket(emitter) ? [] : ['response']
  return ['connect', 'response', 'open', 'ready', 'listening']
}

function ownTimeout(): Error {
  const error = new Error("it emitted 'timeout': its own timeout expired without an answer")
  error.name = 'TimeoutError'
  return error
}

/** Without a listener, a later error of the emitter would end the process. */
export function silence(emitter: unknown): void {
  if (isEmitter(emitter)) emitter.on('error', () => {})
}

/** Says what the action is still doing after the timeout. */
export function stillDoing(action: unknown, timeout: number): FirstEnd {
  const tuple = isEmitter(action) ? tupleOf(action) : undefined
  return { nothing: `nothing within ${timeout} ms: ${stateOf(action)}`, endpoint: peerIn(tuple) }
}

function stateOf(action: unknown): string {
  if (isSocket(action)) {
    return action.connecting ? 'the socket is still connecting' : `${formatTuple(connectionTuple(action))} is open`
  }
  if (isEmitter(action)) return "it emitted neither 'error' nor an event of success"
  return 'the promise is pending'
}

type Listener = (...brought: unknown[]) => void

export interface Emitter {
  on(event: string, listener: Listener): unknown
  removeListener(event: string, listener: Listener): unknown
}

export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof new Fields(value).get('then') === 'function'
export const isEmitter = (value: unknown): value is Emitter => hasAll(value, 'on', 'removeListener')

function hasAll(value: unknown, ...names: string[]): boolean {
  try {
    return (
      typeof value === 'object' &&
      value !== null &&
      names.every((name) => typeof Reflect.get(value, name) === 'function')
    )
  } catch {
    // A proxy that throws.
    return false
  }
}
