import type { ClientRequest } from 'node:http'
import { patch, patchClass } from '../platform/patches.js'
import type { Runtime } from '../platform/runtime.js'
import { processState } from '../process-state.js'
import type { SocketDescriptor } from '../socket-table/socket-descriptors.js'
import { OPENERS, type Opener } from './native-openers.js'
import type { Owner } from './owner.js'
import { type Trace, takeTrace } from './trace.js'

/** Where a socket was opened that no object of Node explains. */
export interface NativeOrigin {
  readonly trace: Trace
  readonly owner: Owner | undefined
  /** Opened after the check of its test. */
  readonly late: boolean
  readonly howToClose: string
}

/** A socket that no object of Node explains, and what is known of it. */
export interface NativeSocket {
  readonly descriptor: SocketDescriptor
  readonly origin: NativeOrigin | undefined
}

/** A place that has functions which open sockets without Node's modules. */
export interface NativeHolder {
  fetch: typeof fetch
  WebSocket?: typeof WebSocket
  readonly Bun?: unknown
  readonly Deno?: unknown
}

/** A connection, by the port of its client and that of its server. */
export interface NativeConnection {
  readonly from: number
  readonly to: number
  /** The ports of all clients that are connected to that server, oldest first. */
  readonly among: readonly number[]
}

/**
 * Bun and Deno open sockets without Node's modules, by functions of their own, by `fetch` and by `WebSocket`. Nothing reports these
 * sockets, and only the kernel lists them. So the functions are replaced, and what they open is known by its ends.
 */
export class Natives {
  readonly #ownerNow: () => Owner | undefined
  /** The last call for each end. */
  readonly #opened = new Map<string, NativeOrigin>()
  /** Requests of `fetch` that wait for their answer, and each WebSocket until it closes. Oldest first. */
  readonly #waiting = new Set<{ readonly port: number; readonly origin: NativeOrigin }>()
  /** Ports that a pool of the runtime may keep connections to. The runtimes do not show their pools. */
  readonly #pooled = new Set<number>()

  constructor(of: Exclude<Runtime, 'Node'>, ownerNow: () => Owner | undefined, holder: NativeHolder = globalThis) {
    this.#ownerNow = ownerNow
    const because = `${of} has no diagnostics channel for it`
    // Never undone, because the state of this process keeps its listeners.
    processState(`leaks.natives-of-${of}`, () => {
      for (const opener of OPENERS[of]) this.#follow(holder[of] as Functions, opener, because)
      this.#followFetch(holder, because)
      this.#followWebSocket(holder, because)
      return true
    })
  }

  /** For the requests of `node:http` in Bun, which its native client sends. */
  readonly heardRequest = ({ request }: { request: ClientRequest }): void => {
    const port = portOf(`${request.protocol}//${request.getHeader('host')}`)
    if (port === undefined) return
    this.#pooled.add(port)
    request.once('close', this.#wait(port, this.heardRequest, 'request.destroy()'))
  }

  /** The call that opened a listener, or a socket with a path, or the listener of a connection. The last one for that end. */
  originOf({ local, remote }: Pick<SocketDescriptor, 'local' | 'remote'>): NativeOrigin | undefined {
    const [here, there] = [endOf(local), endOf(remote)]
    if (remote === undefined) return this.#opened.get(`listener ${here}`)
    const client = this.#opened.get(`to ${there}`)
    const listener = this.#opened.get(`listener ${here}`)
    return client ?? (listener && { ...listener, howToClose: 'close() of the connection that was accepted there' })
  }

  /** The call that opened a connection, or waits for an answer on it. `'pool'` if a pool of the runtime may keep it for the next request. */
  holderOf({ from, to, among }: NativeConnection): NativeOrigin | 'pool' | undefined {
    const opened = this.#opened.get(`from ${from}`)
    if (opened !== undefined) return opened
    // Nothing shows which connection a request has. The newest ones are those that it may have opened.
    const waiting = [...this.#waiting].filter(({ port }) => port === to)
    const held = waiting[among.indexOf(from) - among.length + waiting.length]
    if (held !== undefined) return held.origin
    return this.#pooled.has(to) ? 'pool' : undefined
  }

  /** Whether something of the runtime listens on this port, or connects to it. */
  isServer(port: number): boolean {
    return (
      this.#opened.has(`listener ${port}`) ||
      this.#pooled.has(port) ||
      [...this.#waiting].some((one) => one.port === port)
    )
  }

  /** The ports to which these owners have a request that waits for its answer. It may use a connection that is older than its test. */
  waitingFor(isMine: (owner: Owner | undefined) => boolean): ReadonlySet<number> {
    return new Set(Array.from(this.#waiting).flatMap(({ port, origin }) => (isMine(origin.owner) ? port : [])))
  }

  /** Its wait has been reported, and no later check reports it. */
  settle(origin: NativeOrigin): void {
    for (const waiting of this.#waiting) if (waiting.origin === origin) this.#waiting.delete(waiting)
  }

  #origin(entry: (...args: never[]) => unknown, howToClose: string): NativeOrigin {
    const owner = this.#ownerNow()
    return { trace: takeTrace(entry), owner, late: owner?.ended === true, howToClose }
  }

  /** Returns the function that ends the wait. */
  #wait(port: number, entry: (...args: never[]) => unknown, howToClose: string): () => void {
    const waiting = { port, origin: this.#origin(entry, howToClose) }
    this.#waiting.add(waiting)
    return () => void this.#waiting.delete(waiting)
  }

  #follow(target: Functions, { name, endOfResult, endOfArgument, howToClose }: Opener, because: string): void {
    // portside does not replace a function that another library has frozen, and not one that this version lacks.
    const property = Object.getOwnPropertyDescriptor(target, name)
    // Deno.serve is an accessor.
    if (property?.writable !== true && property?.set === undefined) return
    const remember = (end: string | undefined, origin: NativeOrigin): void => {
      if (end !== undefined) remembered(this.#opened, end, origin)
    }
    patch(
      target,
      name,
      (original) => {
        const opening = (...args: unknown[]): unknown => {
          const origin = this.#origin(opening, howToClose)
          const result = Reflect.apply(original, target, args)
          remember(endOfArgument?.(args[0]), origin)
          return then(result, (socket) => remember(endOfResult?.(socket), origin))
        }
        return opening
      },
      because,
    )
  }

  #followFetch(holder: NativeHolder, because: string): void {
    const { fetch } = holder
    patch(
      holder,
      'fetch',
      (original) => {
        const fetching = (...args: Parameters<typeof fetch>): Promise<Response> => {
          const port = portOf(args[0])
          if (port === undefined) return Reflect.apply(original, globalThis, args) as Promise<Response>
          this.#pooled.add(port)
          const done = this.#wait(
            port,
            fetching,
            'abort() of an AbortController whose signal it has, or await the answer',
          )
          const answered = (answer: Response): void => {
            done()
            // The server of a redirect.
            const last = answer.redirected ? portOf(answer.url) : undefined
            if (last !== undefined) this.#pooled.add(last)
          }
          return then(Reflect.apply(original, globalThis, args), answered, done) as Promise<Response>
        }
        return fetching as typeof fetch
      },
      because,
    )
    // Bun adds `preconnect()`.
    for (const key of Object.keys(fetch)) Reflect.set(holder.fetch, key, Reflect.get(fetch, key))
    const own = Object.getOwnPropertyDescriptor(fetch, 'preconnect')
    if (own !== undefined) Object.defineProperty(holder.fetch, 'preconnect', own)
  }

  #followWebSocket(holder: NativeHolder, because: string): void {
    if (typeof holder.WebSocket !== 'function') return
    patchClass(
      holder,
      'WebSocket',
      (object, construct) => {
        const socket = object as WebSocket
        const port = portOf(socket.url)
        if (port !== undefined) socket.addEventListener('close', this.#wait(port, construct, 'socket.close()'))
      },
      because,
    )
  }
}

type Functions = Record<string, (...args: unknown[]) => unknown>

/**
 * Calls back with the result, or with that of its promise. V8 shows the callers of a promise that failed only if one function alone waits
 * for it, so this returns another promise.
 */
function then<T>(result: unknown, use: (value: T) => void, failed: () => void = () => {}): unknown {
  if (!(result instanceof Promise)) {
    use(result as T)
    return result
  }
  return (async () => {
    try {
      const value: T = await result
      use(value)
      return value
    } catch (error) {
      failed()
      throw error
    }
  })()
}

/** The kernel gives a port again, so the newest end is last. */
function remembered(opened: Map<string, NativeOrigin>, end: string, origin: NativeOrigin): void {
  opened.delete(end)
  opened.set(end, origin)
  for (const oldest of opened.keys()) {
    if (opened.size <= MOST) break
    opened.delete(oldest)
  }
}

const MOST = 4096

const endOf = (end: SocketDescriptor['local']): string | number | undefined =>
  typeof end === 'object' ? end.port : end

/** The port that a URL or a request names. Undefined for a URL without a host, and for an argument that fetch refuses. */
function portOf(resource: unknown): number | undefined {
  try {
    const { protocol, port } = new URL(
      typeof resource === 'object' && 'url' in (resource as object) ? (resource as Request).url : String(resource),
    )
    if (port !== '') return Number(port)
    return { 'http:': 80, 'https:': 443, 'ws:': 80, 'wss:': 443 }[protocol]
  } catch {
    return undefined
  }
}
