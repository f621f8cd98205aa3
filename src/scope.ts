import { checkFunction } from './argument.js'
import { calledBy } from './caller.js'
import { createUndoList } from './disposal.js'
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

/** Functions that take a handler or a server, then options. Their servers have the scope's grace and close with a report. */
const LISTENING = { listen, listenTcp, listenTls, listenHttp, listenHttps, listenHttp2, listenUdp, listenUnix }

/** Functions whose result is disposed of. Read when called, because each loads its own code. */
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

/** The defaults of a scope. */
export interface ScopeOptions {
  /**
   * The default grace of the scope's servers and pools, in milliseconds.
   *
   * @default 1000
   */
  grace?: number
}

/**
 * Opens servers, ports, programs and endpoints, and closes them together. Its methods are portside's functions of the same name.
 *
 * @see `docs/servers.md#scopes`
 */
export interface NetScope extends AsyncDisposable {
  /**
   * Listens on a free port of loopback with a server made elsewhere: any `net.Server`, HTTP, HTTPS, HTTP/2 or TLS server, or
   * `dgram.Socket`. With `path` it listens on a unix socket.
   * @see `docs/servers.md#servers-made-elsewhere`
   */
  readonly listen: typeof listen
  /**
   * Starts a TCP server on a free port of loopback. Without a handler it echoes.
   * @see `docs/servers.md`
   */
  readonly listenTcp: typeof listenTcp
  /**
   * Starts a TLS server on a free port of loopback. Without a handler it echoes.
   * @see `docs/servers.md#tls`
   */
  readonly listenTls: typeof listenTls
  /**
   * Starts an HTTP server on a free port of loopback. Without a handler it echoes the body of each request.
   * @see `docs/servers.md`
   */
  readonly listenHttp: typeof listenHttp
  /**
   * Starts an HTTPS server on a free port of loopback. Without a handler it echoes the body of each request.
   * @see `docs/servers.md#tls`
   */
  readonly listenHttps: typeof listenHttps
  /**
   * Starts an HTTP/2 server on a free port of loopback. Without a handler it echoes the body of each request.
   * @see `docs/servers.md`
   */
  readonly listenHttp2: typeof listenHttp2
  /**
   * Binds a UDP socket to a free port of loopback. Without a handler it echoes.
   * @see `docs/servers.md#udp`
   */
  readonly listenUdp: typeof listenUdp
  /**
   * Starts a server on a unix socket in a new private directory, or on a named pipe on Windows. Without a handler it echoes.
   * @see `docs/servers.md#unix-sockets`
   */
  readonly listenUnix: typeof listenUnix
  /**
   * Reserves a port on loopback that no other process gets until you release it or the scope closes.
   * @see `docs/ports.md#reserveport`
   */
  readonly reservePort: typeof reservePort
  /**
   * Reserves several ports at once: all of them, or it rejects and reserves none.
   * @see `docs/ports.md#reserveports`
   */
  readonly reservePorts: typeof reservePorts
  /**
   * Starts a program and resolves when it is ready: it listens, and the listener belongs to it or to a process that it started.
   * @see `docs/programs.md#spawnlistening`
   */
  readonly spawnListening: typeof spawnListening
  /**
   * Reserves a port that refuses: every connect to it fails with ECONNREFUSED until the endpoint closes.
   * @see `docs/endpoints.md#refusedendpoint`
   */
  readonly refusedEndpoint: typeof refusedEndpoint
  /**
   * Occupies a port: listening on it fails with EADDRINUSE until the endpoint closes.
   * @see `docs/endpoints.md#occupiedendpoint`
   */
  readonly occupiedEndpoint: typeof occupiedEndpoint
  /**
   * Opens an address that does not answer: a connect to it neither succeeds nor fails until the endpoint closes.
   * @see `docs/endpoints.md#unresponsiveendpoint`
   */
  readonly unresponsiveEndpoint: typeof unresponsiveEndpoint
  /**
   * Accepts connections and then does nothing: it never reads, answers or closes.
   * @see `docs/endpoints.md#stalledendpoint`
   */
  readonly stalledEndpoint: typeof stalledEndpoint
  /**
   * Resets every connection: it closes with a RST, which the client sees as ECONNRESET.
   * @see `docs/endpoints.md#resettingendpoint`
   */
  readonly resettingEndpoint: typeof resettingEndpoint
  /**
   * Forwards bytes to and from `target`, but splits them at other places than the sender did.
   * @see `docs/endpoints.md#fragmentingendpoint`
   */
  readonly fragmentingEndpoint: typeof fragmentingEndpoint
  /**
   * Finds an address that this host lacks: listening on it fails with EADDRNOTAVAIL.
   * @see `docs/endpoints.md#unassignedendpoint`
   */
  readonly unassignedEndpoint: typeof unassignedEndpoint
  /**
   * Finds a privileged port: listening on it fails with EACCES.
   * @see `docs/endpoints.md#privilegedendpoint`
   */
  readonly privilegedEndpoint: typeof privilegedEndpoint
  /**
   * Relays to `target`, and your test switches its behaviour between relaying, refusing, stalling and resetting.
   * @see `docs/endpoints.md#switchableendpoint`
   */
  readonly switchableEndpoint: typeof switchableEndpoint
  /**
   * Makes a pool that drains when the scope closes.
   *
   * @throws ERR_PORTSIDE_SCOPE_CLOSED if the scope is closed, or closing
   * @see `docs/sockets.md#socketpool`
   */
  createSocketPool(options?: SocketPoolOptions): SocketPool
  /**
   * Registers your own cleanup. `close()` calls it in reverse order of registration, and awaits it.
   *
   * @throws ERR_INVALID_ARG_TYPE if `undo` is not a function
   * @throws ERR_PORTSIDE_SCOPE_CLOSED if the scope is closed, or closing
   */
  defer(undo: () => unknown): void
  /**
   * Closes everything that the scope opened, last in first out, one after the other.
   *
   * It waits for resources that are still opening, and continues after an error. Calls share one promise. Afterwards the other
   * methods fail with ERR_PORTSIDE_SCOPE_CLOSED.
   *
   * @throws the error of the cleanup that failed
   * @throws ERR_PORTSIDE_UNDO if several failed, with all of them in `errors`
   */
  close(options?: DrainOptions): Promise<void>
}

/**
 * Makes a scope, which closes everything that its methods open. `await using` closes it.
 *
 * @throws ERR_INVALID_ARG_TYPE if `grace` is not a number
 * @throws ERR_OUT_OF_RANGE if `grace` is below 0 or above 2 147 483 647
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```ts
 * import { createScope } from 'portside'
 * import { expect } from 'vitest'
 *
 * const net = createScope()
 * const server = await net.listenHttp()
 * expect((await fetch(server.url)).status).toBe(200)
 * await net.close()
 * ```
 * @see `docs/servers.md#scopes`
 */
export function createScope(options: ScopeOptions = {}): NetScope {
  return scopeFor('createScope()', options)
}

/** The same for another function, whose name messages show. */
export function scopeFor(of: string, given: ScopeOptions | undefined): NetScope {
  const options = readOptions(given, { of, names: ['grace'], example: '{ grace: 100 }' })
  checkDrainOptions(options)
  const undos = createUndoList()
  let closeOptions: DrainOptions = options
  let closed: Promise<void> | undefined

  /** Passes the scope's grace to a server, so it also applies when the test closes the server itself. */
  const withGrace = <Args extends unknown[]>(args: Args): Args => {
    const [first, given] = args
    if (options.grace === undefined || (given !== undefined && !isPlain(given))) return args
    return [first, { grace: options.grace, ...inheritedBy(given), ...given }] as unknown as Args
  }

  const refuseClosed = (asked: string): void => {
    if (closed === undefined) return
    throw portsideError('ERR_PORTSIDE_SCOPE_CLOSED', {
      headline: `Cannot ${asked}`,
      because: 'the scope is closed, or closing',
      next: 'call it before the end of the test, or in another scope',
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

  const listening = mapped<Pick<NetScope, keyof typeof LISTENING>, Acquire<Closable>>(LISTENING, (name, method) =>
    acquired(
      name,
      (...args) => method(...withGrace(args)),
      (server) => closeOrJoin(server, closeOptions),
    ),
  )
  const acquiring = mapped<Pick<NetScope, keyof typeof ACQUIRING>, () => Acquire<AsyncDisposable>>(
    ACQUIRING,
    (name, method) =>
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

/** True if the options can be copied without an error. The function itself reports what is wrong with other options. */
function isPlain(value: unknown): value is object | undefined {
  try {
    if (typeof value !== 'object' || value === null || isOfAnotherKind(value)) return false
    return Reflect.ownKeys(value).every((key) => Reflect.getOwnPropertyDescriptor(value, key)?.get === undefined)
  } catch {
    // A proxy that throws.
    return false
  }
}

/** Options that a copy would lose, because they are inherited through Object.create(). */
function inheritedBy(options: object = {}): Record<string, unknown> {
  const inherited: Record<string, unknown> = {}
  for (const key in options) {
    if (!(key in Object.prototype)) inherited[key] = (options as Record<string, unknown>)[key]
  }
  return inherited
}

type Acquire<R> = (...args: unknown[]) => Promise<R>

/** Wraps each function of a table under its name. */
function mapped<Functions, Value>(table: object, wrap: (name: string, value: Value) => unknown): Functions {
  const entries = Object.entries(table).map(([name, value]) => [name, wrap(name, value)])
  return Object.fromEntries(entries) as Functions
}

/** Closes a server. If the user has closed it already, that call reported its errors. */
async function closeOrJoin(server: Closable, options: DrainOptions): Promise<void> {
  if (server.closing) await server.close(options).catch(() => {})
  else await server.close(options)
}

interface Closable {
  readonly closing?: boolean
  close(options?: DrainOptions): Promise<unknown>
}
