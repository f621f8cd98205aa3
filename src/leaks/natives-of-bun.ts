import { patch } from '../platform/patches.js'
import { processState } from '../process-state.js'
import type { SocketDescriptor } from '../socket-table/socket-descriptors.js'
import type { Owner } from './owner.js'
import { type Trace, takeTrace } from './trace.js'

/** Where a socket was opened that no object of Node explains. */
export interface NativeOrigin {
  readonly trace: Trace
  readonly owner: Owner | undefined
  readonly howToClose: string
}

/** `Bun.serve`, `Bun.listen` and `Bun.connect` open sockets without Node's modules, and so does `fetch`. */
export class NativesOfBun {
  readonly #ownerNow: () => Owner | undefined
  /** The last call for each local end of a listener, and for each remote end of a client: a port or a path. */
  readonly #opened = new Map<string, NativeOrigin>()
  /** How many requests of `fetch` wait for their answer, by port. Its pool keeps connections to all of these ports. */
  readonly #fetched = new Map<number, number>()

  constructor(ownerNow: () => Owner | undefined) {
    this.#ownerNow = ownerNow
    const { Bun } = globalThis as unknown as { Bun: BunSockets }
    const because = 'Bun has no diagnostics channels'
    // Never undone, because the state of this process keeps its listeners. portside does not replace a function that another library has frozen.
    processState('leaks.natives-of-bun', () => {
      for (const [name, end, howToClose] of OPENING) {
        this.#follow(Bun, name, (result, given) => this.#note(end(result, given), howToClose, name), because)
      }
      this.#followFetch(because)
      return true
    })
  }

  /** The call that opened the socket, if it is still the last one for that end. */
  originOf({ local, remote }: Ends): NativeOrigin | undefined {
    return this.#opened.get(remote === undefined ? `listener ${endOf(local)}` : `client ${endOf(remote)}`)
  }

  /** Whether `fetch` keeps it for the next request, or keeps its other end. Bun does not show its pool. */
  isPooled({ local, remote }: Ends): boolean {
    return remote !== undefined && [local, remote].some((end) => typeof end === 'object' && this.isPooledPort(end.port))
  }

  isPooledPort(port: number | undefined): boolean {
    return port !== undefined && this.#fetched.get(port) === 0
  }

  #note(key: string | undefined, howToClose: string, name: string): void {
    if (key === undefined) return
    const note = this.#above.get(name) as (...args: never[]) => unknown
    this.#opened.set(key, { trace: takeTrace(note), owner: this.#ownerNow(), howToClose })
  }

  readonly #above = new Map<string, (...args: never[]) => unknown>()

  #follow(
    target: BunSockets,
    name: keyof BunSockets,
    note: (result: unknown, given: unknown) => void,
    because: string,
  ): void {
    if (Object.getOwnPropertyDescriptor(target, name)?.writable !== true) return
    patch(
      target,
      name,
      (original) => {
        const opening = (...args: unknown[]): unknown => {
          const result = Reflect.apply(original, target, args)
          note(result, args[0])
          return result
        }
        this.#above.set(name, opening)
        return opening
      },
      because,
    )
  }

  #followFetch(because: string): void {
    const fetched = this.#fetched
    const add = (port: number, change: number): void => void fetched.set(port, (fetched.get(port) ?? 0) + change)
    const { fetch } = globalThis
    patch(
      globalThis,
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
    for (const key of Object.keys(fetch)) Reflect.set(globalThis.fetch, key, Reflect.get(fetch, key))
    const own = Object.getOwnPropertyDescriptor(fetch, 'preconnect')
    if (own !== undefined) Object.defineProperty(globalThis.fetch, 'preconnect', own)
  }
}

type Ends = Pick<SocketDescriptor, 'local' | 'remote'>
type Opening = (...args: unknown[]) => unknown
type BunSockets = Record<'serve' | 'listen' | 'connect', Opening>

/** The functions, with the end of the socket that each opens, and the call that closes it. */
const OPENING: ReadonlyArray<
  readonly [name: keyof BunSockets, end: (result: unknown, given: unknown) => string | undefined, howToClose: string]
> = [
  ['serve', (result) => listenerKey(result as Listening), 'server.stop(true)'],
  ['listen', (result) => listenerKey(result as Listening), 'listener.stop(true)'],
  [
    'connect',
    (_result, given) => {
      const { port, unix } = (given ?? {}) as { port?: unknown; unix?: unknown }
      return port === undefined && unix === undefined ? undefined : `client ${unix ?? port}`
    },
    'socket.end()',
  ],
]

interface Listening {
  readonly port?: number
  readonly unix?: string
  readonly address?: string | { readonly address: string }
}

const listenerKey = ({ port, unix }: Listening): string | undefined =>
  port === undefined && unix === undefined ? undefined : `listener ${port ?? unix}`

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
