import net from 'node:net'
import { calledBy } from '../caller.js'
import { createUndoList, type UndoList } from '../disposal.js'
import { codeOf, invalidArgument, portsideError } from '../errors.js'
import { LOOPBACK } from '../loopback/endpoint.js'
import { loopbackFamilies } from '../loopback/probe.js'
import { integer } from '../numbers.js'
import { namesOf, readOptions } from '../options.js'
import { ephemeralRange, type PortRange } from '../platform/ephemeral-range.js'
import { openAnchor } from '../ports/anchor.js'
import { saysExhausted } from '../ports/exhausted.js'
import { refuseAborted } from '../signals.js'
import { closedBy } from '../sockets/infrastructure.js'

/**
 * The options of `exhaustEphemeralPorts()`.
 * @experimental
 */
export interface ExhaustOptions {
  /**
   * The kind of socket that holds the ports: connections that are bound to them, or listeners.
   * @default 'connect'
   */
  by?: 'connect' | 'listen'
  /**
   * The largest ephemeral range that it takes, in ports.
   * @default 1024
   */
  limit?: number
  /** When it aborts, the call gives back all ports and rejects with `ABORT_ERR`. */
  signal?: AbortSignal
}

/**
 * Holds every ephemeral port of the loopback addresses. Disposing releases them.
 * @experimental
 */
export interface Exhaustion extends AsyncDisposable {
  readonly by: 'connect' | 'listen'
  /** The first port of the ephemeral range. */
  readonly first: number
  /** The last port of the ephemeral range. */
  readonly last: number
  /** The number of ports in the ephemeral range. */
  readonly size: number
  /** How many of these ports this holds, on one address or both. The others were taken before. */
  readonly held: number
  /** The kernel's error for the attempt after the last port: EADDRNOTAVAIL of a connect, EADDRINUSE of a listen (macOS: EADDRNOTAVAIL). */
  readonly error: Error
  /** Gives all ports back, by resets, which leave no TIME_WAIT. Later calls share the promise. */
  release(): Promise<void>
}

/**
 * Takes every free ephemeral port of 127.0.0.1 and ::1, and holds them until you release them.
 *
 * Meanwhile these calls fail with errors of the kernel, for every process in this network namespace:
 *
 * - a connect to a loopback address: EADDRNOTAVAIL; with a `localAddress`: EADDRINUSE
 * - a listen on port 0 of these addresses or a wildcard: EADDRINUSE; on macOS EADDRNOTAVAIL
 *
 * It is for a private network with a small range. Elsewhere it would take the ports of everything else on the machine.
 *
 * The connections that hold the ports are bound first: a connect shares its port with connections to other destinations, but
 * never takes a bound port (`__inet_hash_connect` in Linux; ip(7), ip_local_port_range).
 *
 * @throws ERR_PORTSIDE_LARGE_RANGE if the range has more than `limit` ports
 * @throws EMFILE if the descriptors run out first
 * @throws ABORT_ERR if `signal` aborts
 * @throws ERR_INVALID_ARG_TYPE if an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if an option has an invalid value
 * @throws ERR_OUT_OF_RANGE if a number is out of range
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```ts
 * import { assertEphemeralPortsExhausted, ephemeralPorts, exhaustEphemeralPorts, listenTcp } from 'portside'
 * import net from 'node:net'
 *
 * await using server = await listenTcp()
 * if ((await ephemeralPorts()).size <= 1024) {
 *   await using exhaustion = await exhaustEphemeralPorts()
 *   await assertEphemeralPortsExhausted(() => net.connect(server.port, server.address))
 * }
 * ```
 * @see `docs/exhaustion.md#exhaustephemeralports`
 * @experimental
 */
export function exhaustEphemeralPorts(options: ExhaustOptions = {}): Promise<Exhaustion> {
  const spec = {
    of: 'exhaustEphemeralPorts()',
    names: namesOf<ExhaustOptions>()('by', 'limit', 'signal'),
    example: '{ limit: 16 }',
  }
  return calledBy(exhaustEphemeralPorts, () => exhaust(readOptions(options, spec)))
}

async function exhaust(options: ExhaustOptions): Promise<Exhaustion> {
  const { by, signal } = checked(options)
  const range = ephemeralRange()
  const asked = `take all ephemeral ports, ${range.first} to ${range.last}`
  refuseLarge(asked, range, options.limit ?? DEFAULT_LIMIT)
  const undos = createUndoList()
  try {
    const ports = new Set<number>()
    const take = by === 'connect' ? takeByConnecting : takeByListening
    let refusal: Error | undefined
    for (const family of loopbackFamilies()) {
      for (;;) {
        refuseAborted(signal, asked)
        const taken = await take(LOOPBACK[family], undos)
        if (!Array.isArray(taken)) {
          refusal ??= taken as Error
          break
        }
        for (const port of taken) if (port >= range.first && port <= range.last) ports.add(port)
      }
    }
    refuseAborted(signal, asked)
    return new HeldPorts(by, range, ports.size, refusal as Error, undos)
  } catch (error) {
    throw await undos.runAfter(error)
  }
}

const DEFAULT_LIMIT = 1024
const HOW_TO_CLOSE = 'release() on the result of exhaustEphemeralPorts()'

function checked(options: ExhaustOptions): { by: 'connect' | 'listen'; signal: AbortSignal | undefined } {
  const { by = 'connect', limit = DEFAULT_LIMIT, signal } = options
  if (by !== 'connect' && by !== 'listen') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'by', "'connect' or 'listen'", by)
  }
  integer('limit', limit, 1)
  return { by, signal }
}

function refuseLarge(asked: string, { first, last }: PortRange, limit: number): void {
  const size = last - first + 1
  if (size <= limit) return
  throw portsideError('ERR_PORTSIDE_LARGE_RANGE', {
    headline: `Cannot ${asked}`,
    expected: `a range of at most ${limit} ports`,
    actual: `a range of ${size}`,
    because: 'nothing else on this machine could connect or listen meanwhile',
    next: 'run it on a host with few ports: spawnInNamespace({ ephemeralPorts: 16 }, ...), namespacePool({ ephemeralPorts: 16 }) or `portside run --ephemeral-ports 16`; or raise limit',
  })
}

/** Resolves to the ports that it holds from now on, or to the kernel's error if none is left. */
type Take = (address: string, undos: UndoList) => Promise<readonly number[] | Error>

const takeByConnecting: Take = async (address, undos) => {
  try {
    const anchor = await openAnchor(address, 0, HOW_TO_CLOSE)
    undos.add(() => anchor.release())
    return [anchor.port, anchor.sinkPort]
  } catch (error) {
    if (!saysExhausted(error)) throw error
    // This connect was bound first. A plain connect gets another error, unless a port was freed in between.
    return (await refusalOf(address)) ?? (error as Error)
  }
}

const takeByListening: Take = (address, undos) => {
  const server = closedBy(net.createServer(), HOW_TO_CLOSE)
  return new Promise((resolve, reject) => {
    server.once('error', (error) => (saysExhausted(error) ? resolve(error) : reject(error)))
    server.listen({ host: address, port: 0, exclusive: true }, () => {
      undos.add(() => new Promise((closed) => server.close(closed)))
      resolve([(server.unref().address() as net.AddressInfo).port])
    })
  })
}

/** The kernel's error for a connect without a free local port. The kernel picks the port before it sends. */
function refusalOf(address: string): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const client = net.connect({ host: address, port: UNUSED })
    client.once('error', (error) => resolve(codeOf(error) === 'EADDRNOTAVAIL' ? error : undefined))
    client.once('connect', () => {
      client.resetAndDestroy()
      resolve(undefined)
    })
  })
}

/** tcpmux (RFC 1078), which no server uses. */
const UNUSED = 1

class HeldPorts implements Exhaustion {
  readonly first: number
  readonly last: number
  readonly size: number
  readonly #undos: UndoList

  constructor(
    readonly by: 'connect' | 'listen',
    { first, last }: PortRange,
    readonly held: number,
    readonly error: Error,
    undos: UndoList,
  ) {
    this.first = first
    this.last = last
    this.size = last - first + 1
    this.#undos = undos
  }

  release(): Promise<void> {
    return this.#undos.run()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }
}
