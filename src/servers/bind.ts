import net from 'node:net'
import { abortError, codeOf, portsideError } from '../errors.js'
import { thrown } from '../explanations/thrown.js'
import type { Addresses } from '../loopback/address.js'
import { type Endpoint, formatEndpoint } from '../loopback/endpoint.js'
import { FETCH_REFUSES } from '../loopback/fetch-ports.js'
import type { BoundAt, Place } from '../loopback/place.js'
import type { BoundSocket } from '../platform/bound-socket.js'
import { saysAddressAbsent, saysNoPortLeft } from '../platform/errno.js'
import { acceptOptionsOf, forgetBind } from '../platform/node-internals.js'
import { isHttpServer } from '../platform/node-objects.js'
import { onAbort } from '../signals.js'

/** Hides the kind of socket, so TCP listeners and datagram sockets are bound by the same rules. */
export interface Binder<S> {
  /** Binds and resolves with the endpoint, or rejects and leaves the socket as it was. */
  bind(socket: S, address: string, port: number): Promise<Endpoint>
  /** A second socket with the same options, for the second address. */
  second(address: string): S
  close(socket: S): Promise<void>
  /** Ports that its clients do not connect to. */
  readonly avoids?: ReadonlySet<number>
}

export interface Bound<S> {
  readonly endpoints: readonly Endpoint[]
  readonly second: S | undefined
}

/** This many conflicts in a row, with another process or on one of two addresses, are not a coincidence. */
const ATTEMPTS = 32

/**
 * Binds the socket to one address, or with a second socket to two addresses at one port.
 *
 * Without a port, it tries again after EADDRINUSE. The kernel picks the port at the bind, and another process can bind the same
 * port until one of them listens (SO_REUSEADDR, socket(7)).
 */
export async function bindTo<S>(
  socket: S,
  { addresses: { addresses, bind }, port }: Pick<Place, 'addresses' | 'port'>,
  binder: Binder<S>,
): Promise<Bound<S>> {
  for (let attempt = 1; ; attempt++) {
    try {
      const bound = await bindOnce(socket, { addresses, bind }, port, binder)
      const picked = bound.endpoints[0] as Endpoint
      if (port !== 0 || binder.avoids?.has(picked.port) !== true) return bound
      await Promise.all([binder.close(socket), bound.second && binder.close(bound.second)])
      return await bindOnce(socket, { addresses, bind }, await dialledPort(picked, binder, binder.avoids), binder)
    } catch (error) {
      if (port === 0 && codeOf(error) === 'EADDRINUSE' && attempt < ATTEMPTS) continue
      // Explained once, not at each attempt, because the explanation reads the kernel's table.
      throw thrown(error, `listen on ${placeIn(error) ?? formatEndpoint({ address: addresses[0] ?? '', port })}`)
    }
  }
}

async function bindOnce<S>(
  socket: S,
  { addresses, bind }: Addresses,
  port: number,
  binder: Binder<S>,
): Promise<Bound<S>> {
  if (bind === 'all') return bindDual(socket, addresses as readonly [string, string], port, binder)
  return bindFirst(socket, addresses, port, binder)
}

/**
 * Finds a port that clients connect to, with temporary sockets. Each keeps its port, so the kernel gives the next socket another.
 * Even ports come first: Linux gives them to clients and odd ports to listeners, if it can (`__inet_hash_connect` and
 * `inet_csk_find_open_port`). If it finds no such port, it keeps the first port that the kernel gave.
 */
async function dialledPort<S>({ address, port }: Endpoint, binder: Binder<S>, avoided: ReadonlySet<number>) {
  const tried: S[] = []
  let found: number | undefined
  try {
    for (let count = 0; count <= avoided.size; count++) {
      const attempt = binder.second(address)
      const endpoint = await binder.bind(attempt, address, 0)
      tried.push(attempt)
      if (avoided.has(endpoint.port)) continue
      found ??= endpoint.port
      if (endpoint.port % 2 === 0) return endpoint.port
    }
  } catch (error) {
    // The ephemeral range has no other port left.
    if (!saysNoPortLeft(codeOf(error))) throw error
  } finally {
    await Promise.all(tried.map((attempt) => binder.close(attempt)))
  }
  return found ?? port
}

/** The address that failed, of two. */
function placeIn(error: unknown): string | undefined {
  const { address, port = 0 } = (error ?? {}) as { address?: unknown; port?: number }
  return typeof address === 'string' ? formatEndpoint({ address, port }) : undefined
}

async function bindFirst<S>(
  socket: S,
  addresses: readonly string[],
  port: number,
  binder: Binder<S>,
): Promise<Bound<S>> {
  let absent: unknown
  for (const address of addresses) {
    try {
      return { endpoints: [await binder.bind(socket, address, port)], second: undefined }
    } catch (error) {
      // localhost may name a family that this host lacks.
      if (!saysAddressAbsent(codeOf(error))) throw error
      absent ??= error
    }
  }
  throw absent
}

/** The second socket picks the port, because a new one can replace it. The user's socket is then bound to that port. */
async function bindDual<S>(
  socket: S,
  [first, other]: readonly [string, string],
  port: number,
  binder: Binder<S>,
): Promise<Bound<S>> {
  const second = binder.second(other)
  try {
    const endpoint = await binder.bind(second, other, port)
    return { endpoints: [await binder.bind(socket, first, endpoint.port), endpoint], second }
  } catch (error) {
    await binder.close(second)
    throw error
  }
}

export interface StreamBindOptions {
  backlog?: number | undefined
  signal?: AbortSignal | undefined
  asked: string
}

/**
 * Listens, and resolves with the endpoint (undefined for a path) once the kernel has bound the socket. With `bound` the server adopts
 * that socket, which is bound there.
 */
export function listening(
  server: net.Server,
  where: net.ListenOptions,
  { backlog, signal, asked }: StreamBindOptions,
  bound?: BoundSocket,
): Promise<Endpoint | undefined> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      server.off('listening', listens).off('error', failed).off('close', closed)
      forget()
    }
    const listens = (): void => {
      settle()
      const address = server.address()
      resolve(typeof address === 'string' || address === null ? undefined : (address as Endpoint))
    }
    const failed = (error: unknown): void => {
      settle()
      forgetBind(server)
      reject(bound === undefined ? error : placed(error, where))
    }
    // A server that is closed before it is bound emits 'close' and never 'listening'.
    const closed = (): void => failed(closedWhileListening(asked))
    const aborted = (): void => {
      server.close()
      failed(abortError(signal as AbortSignal, asked))
    }
    let forget = (): void => {}
    if (signal?.aborted) return aborted()
    server.on('listening', listens).on('error', failed).on('close', closed)
    forget = onAbort(signal, aborted)
    // In a cluster, port 0 would be the same port in every worker.
    where.exclusive = true
    if (backlog !== undefined) where.backlog = backlog
    try {
      // Node never asks the primary of a cluster for an adopted socket, and reads its backlog only from this argument (lib/net.js).
      if (bound !== undefined) server.listen(bound, backlog)
      else server.listen(where)
    } catch (error) {
      failed(error)
    }
  })
}

/** Node's error for an adopted socket has neither address nor port. */
function placed(error: unknown, { host: address, port }: net.ListenOptions): unknown {
  return codeOf(error) === undefined ? error : Object.assign(error as object, { address, port })
}

/** Binds a `net.Server`. It adopts the bound sockets that it gets. */
export function streamBinder(primary: net.Server, options: StreamBindOptions, boundAt?: BoundAt): Binder<net.Server> {
  return {
    // An HTTP server is useless on a port that fetch blocks.
    ...(isHttpServer(primary) ? { avoids: FETCH_REFUSES } : {}),
    bind: (server, host, port) => listening(server, { host, port }, options, boundAt?.(host)) as Promise<Endpoint>,
    second: () => new net.Server(acceptOptionsOf(primary)),
    close: (server) => new Promise((resolve) => server.close(() => resolve())),
  }
}

export function closedWhileListening(asked: string): Error {
  return portsideError('ERR_PORTSIDE_CLOSED_WHILE_LISTENING', {
    headline: `Cannot ${asked}`,
    because: 'the server was closed before it was bound',
    next: 'await the listen call before closing the server',
  })
}
