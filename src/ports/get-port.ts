import net from 'node:net'
import { calledBy } from '../caller.js'
import { codeOf } from '../errors.js'
import { WILDCARD } from '../loopback/endpoint.js'
import type { PortReservation } from '../loopback/port-reservation.js'
import { loopbackFamilies } from '../loopback/probe.js'
import { processState } from '../process-state.js'
import { setTimeout } from '../timers.js'
import { notEndless } from './candidates.js'
import { isExhausted } from './exhausted.js'
import { reserveFor } from './reserve-port.js'

/** The options of get-port 7. Options of `server.listen()` other than `host` are accepted and have no effect. */
export interface Options extends Omit<net.ListenOptions, 'port'> {
  /** A preferred port, or an iterable of them, tried in order. If all are taken, the kernel picks. */
  readonly port?: number | Iterable<number> | undefined
  /** Ports that must not be returned, neither as preferred ports nor as the kernel's choice. */
  readonly exclude?: Iterable<number> | undefined
  /**
   * Keeps the port as long as this process runs, instead of 30 seconds.
   * @default false
   */
  readonly reserve?: boolean | undefined
  /**
   * An address of this host.
   * @default a port on which nothing listens on any address
   */
  readonly host?: string | undefined
}

/** How long a port is kept until you listen on it, in milliseconds. */
const KEPT = 30_000

const LOWEST = 1024
const HIGHEST = 65_535

/**
 * Returns a free TCP port. It replaces the default export of get-port 7, with the same options, errors and fallback.
 *
 * The kernel keeps the port for 30 seconds, or with `reserve` as long as this process runs, or until `clearLockedPorts()`.
 * Meanwhile no bind to port 0, no outgoing connection and no other call gets it, in any process or thread of this host.
 * Listen on it as usual. It does not keep the process alive.
 *
 * @throws TypeError if `exclude` is not an iterable of safe integers
 * @throws ERR_SOCKET_BAD_PORT if a preferred port is invalid
 * @throws Error 'No available ports found' if no port is free; its `cause` says why
 * @example
 * ```ts
 * import { listenTcp } from 'portside'
 * import getPort, { clearLockedPorts } from 'portside/get-port'
 * import { expect } from 'vitest'
 *
 * const port = await getPort()
 * await using server = await listenTcp(undefined, { port })
 * expect(server.port).toBe(port)
 * clearLockedPorts()
 * ```
 * @see `docs/ports.md#portsideget-port`
 */
export default function getPort(options?: Options): Promise<number> {
  return calledBy(getPort, () => find(options))
}

async function find(options?: Options): Promise<number> {
  const { port, exclude, reserve = false, host } = options ?? {}
  const excluded = excludedPorts(exclude)
  let cause: unknown
  for (const preferred of notEndless(preferredPorts(port), 'port')) {
    if (excluded.has(preferred)) continue
    try {
      return await keep([...at(preferred)], excluded, { host, reserve })
    } catch (error) {
      if (!PASSED_OVER.has(codeOf(error)) && !isExhausted(error)) throw error
      cause = error
    }
  }
  // The last attempt is the kernel's choice, and its error names the holders of the ports.
  throw new Error('No available ports found', { cause })
}

/**
 * Returns the numbers from one port to another, both included, for `port` and `exclude`. Ports are from 1024 to 65535.
 *
 * @throws TypeError if an argument is not an integer
 * @throws RangeError if an argument is out of range, or `to` is less than `from`
 * @example
 * ```ts
 * import getPort, { clearLockedPorts, portNumbers } from 'portside/get-port'
 * import { expect } from 'vitest'
 *
 * const port = await getPort({ exclude: portNumbers(40_000, 40_099) })
 * expect([...portNumbers(40_000, 40_099)]).not.toContain(port)
 * clearLockedPorts()
 * ```
 * @see `docs/ports.md#portsideget-port`
 */
export function portNumbers(from: number, to: number): Iterable<number> {
  if (!Number.isInteger(from) || !Number.isInteger(to)) {
    throw new TypeError('`from` and `to` must be integer numbers')
  }
  for (const [name, value] of Object.entries({ from, to })) {
    if (value < LOWEST || value > HIGHEST) throw new RangeError(`'${name}' must be between ${LOWEST} and ${HIGHEST}`)
  }
  if (from > to) throw new RangeError('`to` must be greater than or equal to `from`')
  return count(from, to)
}

/**
 * Releases every port that `getPort()` keeps in this thread, including ports kept by `reserve`.
 *
 * @example
 * ```ts
 * import getPort, { clearLockedPorts } from 'portside/get-port'
 *
 * await getPort({ reserve: true })
 * clearLockedPorts()
 * ```
 * @see `docs/ports.md#portsideget-port`
 */
export function clearLockedPorts(): void {
  for (const reservation of kept()) void reservation.release()
  kept().clear()
}

/** Shared by every copy of portside in this thread. */
const kept = (): Set<PortReservation> => processState('ports.get-port', () => new Set<PortReservation>())

async function keep(
  wished: number[],
  excluded: ReadonlySet<number>,
  { host, reserve }: { host: string | undefined; reserve: boolean },
): Promise<number> {
  const wanted = {
    host: host || everywhere(),
    exclude: [...excluded].filter((port) => port >= 0 && port <= HIGHEST),
    fetchSafe: false,
    ...(wished.length === 0 ? {} : { port: wished }),
  }
  // Preferred ports are often taken, and the reason is not shown.
  const explains = wished.length === 0
  const reservation = await reserveFor('clearLockedPorts() of portside/get-port', wanted, { explains })
  try {
    // If nothing can listen on a held port, this frees it, and TIME_WAIT and the lock keep it from here on.
    await reservation.handOver(() => {})
  } catch (error) {
    await reservation.release()
    throw error
  }
  kept().add(reservation)
  if (!reserve) {
    setTimeout(() => {
      kept().delete(reservation)
      void reservation.release()
    }, KEPT).unref()
  }
  return reservation.port
}

const PASSED_OVER: ReadonlySet<string | undefined> = new Set(['EADDRINUSE', 'EACCES', 'ERR_PORTSIDE_NO_PORT'])

/** The reservation does not listen and is narrowed down to loopback, so nothing can connect to the wildcard. */
const everywhere = (): string => (loopbackFamilies().includes('IPv6') ? WILDCARD.IPv6 : WILDCARD.IPv4)

function excludedPorts(exclude: Iterable<number> | undefined): ReadonlySet<number> {
  if (!exclude) return new Set()
  if (typeof exclude[Symbol.iterator] !== 'function') {
    throw new TypeError('The `exclude` option must be an iterable.')
  }
  // Read once: portNumbers() returns a generator.
  const excluded = new Set<number>(notEndless(exclude, 'exclude'))
  for (const element of excluded as Set<unknown>) {
    if (typeof element !== 'number') {
      throw new TypeError(
        'Each item in the `exclude` option must be a number corresponding to the port you want excluded.',
      )
    }
    if (!Number.isSafeInteger(element)) {
      throw new TypeError(`Number ${element} in the exclude option is not a safe integer and can't be used`)
    }
  }
  return excluded
}

/** The preferred ports, then 0: the kernel's choice. */
function* preferredPorts(ports: Options['port']): Generator<number> {
  if (ports) yield* typeof ports === 'number' ? [ports] : ports
  yield 0
}

/** Accepts a port as `server.listen()` does, which includes numeric strings, and throws its error for an invalid port. */
function at(preferred: unknown): number[] {
  const port = typeof preferred === 'string' && preferred.trim() !== '' ? Number(preferred) : preferred
  if (port === undefined || port === null || port === 0) return []
  if (typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= HIGHEST) return [port]
  // Throws ERR_SOCKET_BAD_PORT before it binds anything.
  new net.Server().listen({ port: preferred as number })
  throw new TypeError('unreachable: Node accepted an invalid port')
}

function* count(from: number, to: number): Generator<number> {
  for (let port = from; port <= to; port++) yield port
}
