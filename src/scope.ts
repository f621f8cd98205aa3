import { checkFunction } from './argument.js'
import { calledBy } from './caller.js'
import { createUndoList, type Undo } from './disposal.js'
import { fragmentingEndpoint } from './endpoints/fragmenting.js'
import { occupiedEndpoint } from './endpoints/occupied.js'
import { privilegedEndpoint } from './endpoints/privileged.js'
import { refusedEndpoint } from './endpoints/refused.js'
import { resettingEndpoint } from './endpoints/resetting.js'
import { stalledEndpoint } from './endpoints/stalled.js'
import { switchableEndpoint } from './endpoints/switchable.js'
import { unassignedEndpoint } from './endpoints/unassigned.js'
import { unresponsiveEndpoint } from './endpoints/unresponsive.js'
import { portsideError } from './errors.js'
import { isOfAnotherKind, readOptions } from './options.js'
import { reservePort, reservePorts } from './ports/reserve-port.js'
import { spawnListening } from './programs/spawn-listening.js'
import { listenHttp, listenHttps } from './servers/http.js'
import { listenHttp2 } from './servers/http2.js'
import { listen } from './servers/listen.js'
import { listenTcp } from './servers/tcp.js'
import { listenTls } from './servers/tls.js'
import { listenUdp } from './servers/udp.js'
import { listenUnix } from './servers/unix.js'
import type { DrainOptions } from './sockets/drain.js'
import { checkDrainOptions, readDrainOptions } from './sockets/drain.js'
import { createSocketPool, type SocketPool, type SocketPoolOptions } from './sockets/pool.js'

/** Take a handler or a server, then options; have the scope's grace and close with a report. */
const LISTENING = { listen, listenTcp, listenTls, listenHttp, listenHttps, listenHttp2, listenUdp, listenUnix }

/** Everything else that is acquired, and disposed of: asked for when it is called, since each loads code of its own. */
const ACQUIRING = {
  reservePort: () => reservePort,
  reservePorts: () => reservePorts,
  spawnListening: () => spawnListening,
  refusedEndpoint: () => refusedEndpoint,
  occupiedEndpoint: () => occupiedEndpoint,
  unresponsiveEndpoint: () => unresponsiveEndpoint,
  stalledEndpoint: () => stalledEndpoint,
  resettingEndpoint: () => resettingEndpoint,
  fragmentingEndpoint: () => fragmentingEndpoint,
  unassignedEndpoint: () => unassignedEndpoint,
  privilegedEndpoint: () => privilegedEndpoint,
  switchableEndpoint: () => switchableEndpoint,
}
type Acquiring = { [Name in keyof typeof ACQUIRING]: ReturnType<(typeof ACQUIRING)[Name]> }

export interface ScopeOptions {
  /** Default grace of `close()` for everything in the scope, in milliseconds. Default: each one's own, 1000. */
  grace?: number
}

/** Everything that a test opens, undone together. */
export interface NetScope extends AsyncDisposable, Readonly<typeof LISTENING & Acquiring> {
  createSocketPool(options?: SocketPoolOptions): SocketPool
  /** Registers what undoes something of your own; called at its place in the order. */
  defer(undo: Undo): void
  /**
   * Undoes everything, last in first out, each to its end before the next, acquisitions under way included. Nothing is
   * skipped when one fails. Rejects with the one error, or with ERR_PORTSIDE_UNDO and all of them in `.errors`. Later
   * calls share the first one's promise. Afterwards the scope refuses everything with ERR_PORTSIDE_SCOPE_CLOSED.
   */
  close(options?: DrainOptions): Promise<void>
}

/** A scope: its methods are portside's functions, and what they open is closed with it. */
export function createScope(given: ScopeOptions = {}): NetScope {
  return scopeFor('createScope()', given)
}

/** The same for a function of another name. */
export function scopeFor(of: string, given: ScopeOptions | undefined): NetScope {
  const options = readOptions(given, { of, names: ['grace'], example: '{ grace: 100 }' })
  checkDrainOptions(options)
  const undos = createUndoList()
  let closeOptions: DrainOptions = options
  let closed: Promise<void> | undefined

  /** What the scope opens has the scope's grace, also when the test closes it itself. */
  const withGrace = <Args extends unknown[]>(args: Args): Args => {
    const [first, given] = args
    if (options.grace === undefined || (given !== undefined && !isPlain(given))) return args
    return [first, { grace: options.grace, ...inheritedBy(given), ...given }] as unknown as Args
  }

  const refuseClosed = (asked: string): void => {
    if (closed === undefined) return
    throw portsideError('ERR_PORTSIDE_SCOPE_CLOSED', {
      headline: `Cannot ${asked}`,
      because: 'its scope is closed, or closing',
      next: 'open it before the end of the test, or in a scope of its own',
    })
  }

  const acquired =
    <Args extends unknown[], R>(name: string, acquire: (...args: Args) => Promise<R>, undo: (acquired: R) => unknown) =>
    async (...args: Args): Promise<R> => {
      refuseClosed(`call ${name}() in a scope`)
      const acquisition = acquire(...args)
      const forget = undos.add(async () => undo(await acquisition))
      try {
        return await acquisition
      } catch (error) {
        forget()
        throw error
      }
    }

  const listening = mapped<typeof LISTENING, Acquire<Closable>>(LISTENING, (name, method) =>
    acquired(
      name,
      (...args) => method(...withGrace(args)),
      (server) => closeOrJoin(server, closeOptions),
    ),
  )
  const acquiring = mapped<Acquiring, () => Acquire<AsyncDisposable>>(ACQUIRING, (name, method) =>
    acquired(
      name,
      (...args) => method()(...args),
      (resource) => resource[Symbol.asyncDispose](),
    ),
  )

  return {
    ...listening,
    ...acquiring,
    createSocketPool(poolOptions) {
      refuseClosed('call createSocketPool() in a scope')
      const own = readOptions(poolOptions, { of: 'net.createSocketPool()', names: ['grace'] })
      const pool = createSocketPool({ ...options, ...own })
      undos.add(() => pool.drain(closeOptions))
      return pool
    },
    defer(undo) {
      refuseClosed('call defer() in a scope')
      checkFunction('undo', undo)
      undos.add(undo)
    },
    close: function close(given = {}) {
      try {
        const read = readDrainOptions(given, 'net.close()')
        if (closed === undefined) {
          closeOptions = { ...options, ...read }
          closed = calledBy(close, () => undos.run())
        }
      } catch (error) {
        return Promise.reject(error)
      }
      return closed
    },
    [Symbol.asyncDispose]() {
      return this.close()
    },
  }
}

/** Copied for the grace of the scope only if that cannot fail: the function itself says what is wrong with the others. */
function isPlain(value: unknown): value is object | undefined {
  try {
    if (typeof value !== 'object' || value === null || isOfAnotherKind(value)) return false
    return Reflect.ownKeys(value).every((key) => Reflect.getOwnPropertyDescriptor(value, key)?.get === undefined)
  } catch {
    // A proxy that throws.
    return false
  }
}

/** What a copy would lose of options that were made with Object.create(). */
function inheritedBy(options: object = {}): Record<string, unknown> {
  const inherited: Record<string, unknown> = {}
  for (const key in options) {
    if (!(key in Object.prototype)) inherited[key] = (options as Record<string, unknown>)[key]
  }
  return inherited
}

type Acquire<R> = (...args: unknown[]) => Promise<R>

/** The functions of a table under the same names, each wrapped. */
function mapped<Functions, Value>(table: object, wrap: (name: string, value: Value) => unknown): Functions {
  const entries = Object.entries(table).map(([name, value]) => [name, wrap(name, value)])
  return Object.fromEntries(entries) as Functions
}

/** A server that its user has closed has told its user what there was to tell. */
async function closeOrJoin(server: Closable, options: DrainOptions): Promise<void> {
  if (server.closing) await server.close(options).catch(() => {})
  else await server.close(options)
}

interface Closable {
  readonly closing?: boolean
  close(options?: DrainOptions): Promise<unknown>
}
