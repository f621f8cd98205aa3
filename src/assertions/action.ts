import type net from 'node:net'
import { abortError, invalidArgument } from '../errors.js'
import { connectionTuple, formatTuple } from '../sockets/tuple.js'
import { clearTimeout, LONGEST_DELAY, setTimeout } from '../timers.js'
import { Fields } from './socket-failure.js'
import { closeOpened, closeSuccess, type Opened, type Success } from './success.js'

/** How an action ended: with an error, with something that it opened, or not at all. */
export type Ending = { readonly error: unknown } | { readonly success: Success } | { readonly nothing: string }

/**
 * When the outcome that is looked for would come, and so what says that it has not: a bind fails instead of 'listening', a
 * connect instead of 'connect', and a connection after both.
 */
export type Phase = 'bind' | 'connect' | 'connection'

export interface ActionOptions {
  /** Milliseconds until the wait for the action is given up. Default 10 000. */
  timeout?: number
  signal?: AbortSignal
}

/**
 * Lets an action come to its end: a promise, a function, an emitter (a server about to listen, a socket about to connect, a
 * request, a client of a database), or an error that is there already. What it opens by succeeding is closed. Rejects with
 * ABORT_ERR, and ERR_OUT_OF_RANGE for a timeout that is none.
 */
export async function endingOf(action: unknown, phase: Phase, options: ActionOptions = {}): Promise<Ending> {
  const ending = await firstEnd(action, phase, options)
  return 'opened' in ending ? { success: await closeSuccess(ending) } : ending
}

const DEFAULT_TIMEOUT = 10_000

type FirstEnd = { readonly error: unknown } | { readonly nothing: string } | Opened

type Done = (end: FirstEnd) => void

function firstEnd(
  action: unknown,
  phase: Phase,
  { timeout = DEFAULT_TIMEOUT, signal }: ActionOptions,
): Promise<FirstEnd> {
  if (!(typeof timeout === 'number' && timeout > 0 && timeout <= LONGEST_DELAY)) {
    throw invalidArgument('ERR_OUT_OF_RANGE', 'timeout', `milliseconds from 1 to ${LONGEST_DELAY}`, timeout)
  }
  if (signal?.aborted) {
    if (isEmitter(action)) action.on('error', () => {})
    throw abortError(signal, ASKED)
  }
  return new Promise((resolve, reject) => {
    let emitter: Emitter | undefined
    let unwatch: (() => void) | undefined
    let over = false
    const finish = (): void => {
      over = true
      clearTimeout(timer)
      signal?.removeEventListener('abort', aborted)
      unwatch?.()
    }
    const done: Done = (end) => {
      if (over) return
      finish()
      resolve(end)
    }
    /** It goes on all the same, and whoever ends it then makes it emit an error that is no news. */
    const giveUp = (): void => {
      emitter?.on('error', () => {})
      finish()
    }
    const expired = async (): Promise<void> => {
      const nothing = `nothing within ${timeout} ms: ${stateOf(emitter ?? action)}`
      giveUp()
      // Nobody else has what a function began.
      if (typeof action === 'function') await closeOpened(emitter)
      resolve({ nothing })
    }
    const aborted = (): void => {
      giveUp()
      reject(abortError(signal as AbortSignal, ASKED))
    }
    const timer = setTimeout(() => void expired(), timeout)
    signal?.addEventListener('abort', aborted, { once: true })
    const watch = (found: Emitter): void => {
      if (over) return
      emitter = found
      unwatch = watchEmitter(found, phase, done)
    }
    begin(action, phase, done, watch)
    // It was over before it was watched.
    if (over) unwatch?.()
  })
}

const ASKED = 'wait for what the action comes to'

function begin(action: unknown, phase: Phase, done: Done, watch: (emitter: Emitter) => void): void {
  if (typeof action === 'function') {
    let result: unknown
    try {
      result = action()
    } catch (error) {
      done({ error })
      return
    }
    if (isThenable(result) || isEmitter(result)) begin(result, phase, done, watch)
    else done({ opened: result })
  } else if (isThenable(action)) {
    action.then(
      (value) => {
        if (isEmitter(value) && isUnderWay(value, phase)) watch(value)
        else done({ opened: value })
      },
      (error) => done({ error }),
    )
  } else if (isEmitter(action)) {
    watch(action)
  } else {
    // An error, or what will be told to be none.
    done({ error: action })
  }
}

/** Listens for the first event that decides. Returns what takes the listeners off again. */
function watchEmitter(emitter: Emitter, phase: Phase, done: Done): () => void {
  const listeners = new Map<string, (argument?: unknown) => void>()
  const listen = (event: string, listener: (argument?: unknown) => void): void => {
    listeners.set(event, listener)
    emitter.on(event, listener)
  }
  const off = (): void => {
    for (const [event, listener] of listeners) emitter.removeListener(event, listener)
  }
  listen('error', (error) => done({ error }))
  listen('timeout', () => {
    // It goes on all the same, and who ends it then makes it emit an error that is no news.
    emitter.on('error', () => {})
    done({ error: ownTimeout() })
  })
  listen('close', () => done({ nothing: 'a close without an error' }))
  for (const event of successesOf(emitter, phase)) {
    listen(event, (brought) => done({ opened: emitter, event, brought }))
  }
  tellOfBefore(emitter, phase, done)
  return off
}

/** What has happened before it was listened to. */
function tellOfBefore(emitter: Emitter, phase: Phase, done: Done): void {
  const { errored, destroyed, listening, socket } = emitter as Partial<net.Socket & net.Server> & {
    socket?: net.Socket
  }
  // A request does not keep the error of its connection.
  const error = errored ?? (isSocket(emitter) ? undefined : socket?.errored)
  if (error) done({ error })
  else if (destroyed) done({ nothing: 'what was closed before, without an error' })
  // Without a name to look up Node binds within the call, and 'listening' comes later (lib/net.js).
  else if (listening) done({ opened: emitter })
  else if (!isSocket(emitter)) return
  else if (phase !== 'connection' && isConnected(emitter)) done({ opened: emitter })
  // Its end is seen only by who reads up to it.
  else if (phase === 'connection' && emitter.readableFlowing === null) emitter.resume()
}

const isConnected = (socket: net.Socket): boolean => !socket.connecting && socket.remoteAddress !== undefined

/** What a promise gives that has yet to come to its own end; a client of a database is open by then. */
function isUnderWay(emitter: Emitter, phase: Phase): boolean {
  if (isSocket(emitter)) return emitter.connecting || phase === 'connection'
  if ('listen' in emitter) return (emitter as Partial<net.Server>).listening === false
  // A WebSocket that is connecting; a request that has no answer.
  return (emitter as { readyState?: unknown }).readyState === 0 || ('reusedSocket' in emitter && !hasAnswer(emitter))
}

const hasAnswer = (request: object): boolean => (request as { res?: unknown }).res != null

/** The events that say that it worked. */
function successesOf(emitter: Emitter, phase: Phase): readonly string[] {
  if ('bind' in emitter && 'send' in emitter) return phase === 'bind' ? ['listening'] : ['message']
  if ('listen' in emitter) return ['listening']
  if (phase === 'connection') return isSocket(emitter) ? [] : ['response']
  return ['connect', 'response', 'open', 'ready', 'listening']
}

function ownTimeout(): Error {
  const error = new Error("it emitted 'timeout': its own time-out went by without an answer")
  error.name = 'TimeoutError'
  return error
}

/** What it is still doing, for who waits in vain. */
function stateOf(action: unknown): string {
  if (isSocket(action)) {
    return action.connecting ? 'the socket is still connecting' : `${formatTuple(connectionTuple(action))} is open`
  }
  if (isEmitter(action)) return "it emitted neither 'error' nor what says that it worked"
  return 'the promise is pending'
}

interface Emitter {
  on(event: string, listener: (argument?: unknown) => void): unknown
  removeListener(event: string, listener: (argument?: unknown) => void): unknown
}

export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof new Fields(value).get('then') === 'function'
const isEmitter = (value: unknown): value is Emitter => hasAll(value, 'on', 'removeListener')
const isSocket = (value: unknown): value is net.Socket => hasAll(value, 'setNoDelay', 'connecting')

function hasAll(value: unknown, ...names: string[]): boolean {
  try {
    return typeof value === 'object' && value !== null && names.every((name) => name in value)
  } catch {
    // A proxy that throws.
    return false
  }
}
