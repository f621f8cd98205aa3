import net from 'node:net'
import { calledBy } from '../caller.js'
import { codeOf } from '../errors.js'
import { WILDCARD } from '../loopback/endpoint.js'
import type { PortReservation } from '../loopback/port-reservation.js'
import { loopbackFamilies } from '../loopback/probe.js'
import { listensWhileHeld } from '../platform/port-hold.js'
import { processState } from '../process-state.js'
import { setTimeout } from '../timers.js'
import { notEndless } from './candidates.js'
import { reserveFor } from './reserve-port.js'

/** The options of get-port 7. Those of `server.listen()` beside `host` are taken and make no difference. */
export interface Options extends Omit<net.ListenOptions, 'port'> {
  /** A preferred port, or an iterable of them, tried in order. Where none can be had, the kernel picks. */
  readonly port?: number | Iterable<number> | undefined
  /** Ports that must not be returned, whoever picks. */
  readonly exclude?: Iterable<number> | undefined
  /** Keeps the port as long as this process runs, instead of 30 seconds. Default false. */
  readonly reserve?: boolean | undefined
  /** An address of this host. Default: a port on which nobody listens on any address. */
  readonly host?: string | undefined
}

/** How long a port is kept for whoever is going to listen on it, in milliseconds. */
const KEPT = 30_000

const LOWEST = 1024
const HIGHEST = 65_535

/**
 * A free TCP port, in place of the default export of get-port 7: same options, same errors, same fall-back.
 *
 * The kernel keeps it for you: for 30 seconds, with `reserve` as long as this process runs, or until
 * `clearLockedPorts()`. In that time it is given to nobody who asks for port 0 and to no outgoing connection, and no
 * other call returns it, in any process or thread of this host. Listen on it as usual. It keeps no process alive.
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
      if (!PASSED_OVER.has(codeOf(error))) throw error
      cause = error
    }
  }
  // The last one is of the kernel's choice, and says who holds the ports.
  throw new Error('No available ports found', { cause })
}

/** The numbers from one port to another, for `port` and `exclude`. From 1024 to 65535. */
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

/** Lets go of every port that `getPort()` keeps in this thread, those of `reserve` included. */
export function clearLockedPorts(): void {
  for (const reservation of kept()) void reservation.release()
  kept().clear()
}

/** Kept by every copy of portside in this thread. */
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
  // Of many preferred ports most may be taken, and nobody reads why.
  const explains = wished.length === 0
  const reservation = await reserveFor('clearLockedPorts() of portside/get-port', wanted, { explains })
  kept().add(reservation)
  // Where nobody can listen on a held port, TIME_WAIT and the lock keep it from here on.
  if (!listensWhileHeld()) await reservation.handOver(() => {})
  if (!reserve) {
    setTimeout(() => {
      kept().delete(reservation)
      void reservation.release()
    }, KEPT).unref()
  }
  return reservation.port
}

const PASSED_OVER: ReadonlySet<string | undefined> = new Set(['EADDRINUSE', 'EACCES', 'ERR_PORTSIDE_NO_PORT'])

/** Not bound for listening: the reservation is narrowed down to loopback before anybody could connect to it. */
const everywhere = (): string => (loopbackFamilies().includes('IPv6') ? WILDCARD.IPv6 : WILDCARD.IPv4)

function excludedPorts(exclude: Iterable<number> | undefined): ReadonlySet<number> {
  if (!exclude) return new Set()
  if (typeof exclude[Symbol.iterator] !== 'function') {
    throw new TypeError('The `exclude` option must be an iterable.')
  }
  // Read once: a generator, such as portNumbers() gives, has no second time.
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

/** What was asked for, and at last 0: the kernel's choice. */
function* preferredPorts(ports: Options['port']): Generator<number> {
  if (ports) yield* typeof ports === 'number' ? [ports] : ports
  yield 0
}

/** A port as `server.listen()` takes it, which is also a numeric string; its own error for one that it does not take. */
function at(preferred: unknown): number[] {
  const port = typeof preferred === 'string' && preferred.trim() !== '' ? Number(preferred) : preferred
  if (port === undefined || port === null || port === 0) return []
  if (typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= HIGHEST) return [port]
  // Throws ERR_SOCKET_BAD_PORT before it binds anything.
  new net.Server().listen({ port: preferred as number })
  throw new TypeError('unreachable: Node took a port that is none')
}

function* count(from: number, to: number): Generator<number> {
  for (let port = from; port <= to; port++) yield port
}
