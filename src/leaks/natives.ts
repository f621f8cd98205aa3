import { patch } from '../platform/patches.js'
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
  readonly howToClose: string
}

/** A place that has functions which open sockets without Node's modules, and `fetch`. */
export interface NativeHolder {
  fetch: typeof fetch
  readonly Bun?: unknown
  readonly Deno?: unknown
}

/**
 * Bun and Deno open sockets without Node's modules, by functions of their own and by `fetch`. Nothing reports these sockets, and only the
 * kernel lists them. So the functions are replaced, and what they open is known by its end.
 */
export class Natives {
  readonly #ownerNow: () => Owner | undefined
  /** The last call for each end. */
  readonly #opened = new Map<string, NativeOrigin>()
  /** How many requests of `fetch` wait for their answer, by port. Its pool may keep connections to all of these ports. */
  readonly #fetched = new Map<number, number>()

  constructor(of: Exclude<Runtime, 'Node'>, ownerNow: () => Owner | undefined, holder: NativeHolder = globalThis) {
    this.#ownerNow = ownerNow
    const because = `${of} has no diagnostics channel for it`
    // Never undone, because the state of this process keeps its listeners.
    processState(`leaks.natives-of-${of}`, () => {
      for (const opener of OPENERS[of]) this.#follow(holder[of] as Functions, opener, because)
      this.#followFetch(holder, because)
      return true
    })
  }

  /** The call that opened the socket, if it is still the last one for that end. */
  originOf({ local, remote }: Ends): NativeOrigin | undefined {
    const [here, there] = [endOf(local), endOf(remote)]
    if (remote === undefined) return this.#opened.get(`listener ${here}`)
    return this.#opened.get(`from ${here}`) ?? this.#opened.get(`to ${there}`)
  }

  /** Whether the pool of `fetch` may keep it for the next request, or keeps its other end. The runtimes do not show their pools. */
  isPooled({ local, remote }: Ends): boolean {
    return remote !== undefined && [local, remote].some((end) => typeof end === 'object' && this.isPooledPort(end.port))
  }

  isPooledPort(port: number | undefined): boolean {
    return port !== undefined && this.#fetched.get(port) === 0
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
          const origin = { trace: takeTrace(opening), owner: this.#ownerNow(), howToClose }
          const result = Reflect.apply(original, target, args)
          remember(endOfArgument?.(args[0]), origin)
          const opened = (socket: unknown): void => remember(endOfResult?.(socket), origin)
          if (result instanceof Promise) result.then(opened, () => {})
          else opened(result)
          return result
        }
        return opening
      },
      because,
    )
  }

  #followFetch(holder: NativeHolder, because: string): void {
    const fetched = this.#fetched
    const add = (port: number, change: number): void => void fetched.set(port, (fetched.get(port) ?? 0) + change)
    const { fetch } = holder
    patch(
      holder,
      'fetch',
      (original) =>
        ((...args: Parameters<typeof fetch>) => {
          const port = portOf(args[0])
          const answer = Reflect.apply(original, globalThis, args) as Promise<Response>
          if (port === undefined) return answer
          add(port, 1)
          answer.then(
            () => add(port, -1),
            () => add(port, -1),
          )
          return answer
        }) as typeof fetch,
      because,
    )
    // Bun adds `preconnect()`.
    for (const key of Object.keys(fetch)) Reflect.set(holder.fetch, key, Reflect.get(fetch, key))
    const own = Object.getOwnPropertyDescriptor(fetch, 'preconnect')
    if (own !== undefined) Object.defineProperty(holder.fetch, 'preconnect', own)
  }
}

type Ends = Pick<SocketDescriptor, 'local' | 'remote'>
type Functions = Record<string, (...args: unknown[]) => unknown>

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

/** The port that `fetch` connects to. Undefined for a URL without a host, and for an argument that fetch refuses. */
function portOf(resource: unknown): number | undefined {
  try {
    const { protocol, port } = new URL(
      typeof resource === 'object' && 'url' in (resource as object) ? (resource as Request).url : String(resource),
    )
    if (port !== '') return Number(port)
    return { 'http:': 80, 'https:': 443 }[protocol]
  } catch {
    return undefined
  }
}
