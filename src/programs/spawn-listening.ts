import type { ChildProcess, SpawnOptions } from 'node:child_process'
import net from 'node:net'
import { calledBy } from '../caller.js'
import { abortError, codeOf, invalidArgument, portsideError } from '../errors.js'
import { thrownByBind } from '../explanations/thrown.js'
import { type Endpoint, type Family, toEndpoint } from '../loopback/endpoint.js'
import { placeOf } from '../loopback/place.js'
import { isReservation, type PortReservation } from '../loopback/port-reservation.js'
import { integer, milliseconds } from '../numbers.js'
import { namesOf, readOptions } from '../options.js'
import { whyNoDescriptorPassing } from '../platform/descriptor-passing.js'
import { handleOf } from '../platform/node-internals.js'
import { reserveFor } from '../ports/reserve-port.js'
import { onAbort, refuseAborted } from '../signals.js'
import type { Child, ChildExit } from './child.js'
import { waitForListening } from './wait.js'

export interface SpawnListeningOptions extends Pick<SpawnOptions, 'cwd' | 'env'> {
  /** Default: the first of `loopbackFamilies()`. `'dual'`: two sockets, descriptors 3 and 4. */
  family?: Family | 'dual'
  /** An address of this host, or a name, instead of `family`. */
  host?: string
  /** Default 0. A reservation stays its holder's. */
  port?: number | PortReservation
  /**
   * `'descriptor'` (default): the program gets the listening socket itself. `'port'`: it gets only the number, in `PORT`,
   * and listens there by itself, on a port that is reserved until it does.
   */
  by?: 'descriptor' | 'port'
  /** Longest accept queue, by descriptor. Default 511. */
  backlog?: number
  /** Milliseconds that the program gets to listen, by port. Default 10 000. */
  timeout?: number
  /** Milliseconds that the program gets to end by itself when it is stopped, before SIGKILL. Default 1000. */
  grace?: number
  /** Aborted: the program is stopped; before it was handed over, with an AbortError. */
  signal?: AbortSignal
}

/** A program that serves on a port of ours. */
export interface ListeningChild extends AsyncDisposable {
  readonly child: ChildProcess
  readonly endpoint: Endpoint
  /** Two when dual. */
  readonly endpoints: readonly Endpoint[]
  readonly address: string
  readonly port: number
  readonly family: Family
  /** Resolves when the program has ended, however that came. */
  readonly exited: Promise<ChildExit>
  /** The end of what it wrote to stderr and to stdout, up to 16 KiB each. */
  readonly stderr: string
  readonly stdout: string
  /**
   * Ends the program and the processes that it started, by this signal (default SIGTERM), and by SIGKILL when the grace
   * is over. Resolves when it has ended, with how. Later calls share the promise.
   */
  stop(signal?: NodeJS.Signals): Promise<ChildExit>
}

/**
 * Starts a program that serves on a loopback port nobody else can have.
 *
 * By descriptor it gets the listening socket as descriptor 3 with `LISTEN_FDS=1` and `LISTEN_PID`, the protocol of
 * sd_listen_fds(3), and `PORT`. The socket listens before the program runs: connections wait in its accept queue, and
 * there is no moment at which they are refused. It is non-blocking, as libuv makes it; a program that expects otherwise
 * sets it so. Resolves once the program runs. By port it resolves once somebody accepts connections there.
 *
 * It is watched before its first instruction: when this process or thread ends, however that comes, the program and those
 * that it started end, too. It has a session and a process group of its own, where the system has groups.
 *
 * Its stdout and stderr are read and their ends kept. Disposing stops it, and rejects with ERR_PORTSIDE_CHILD_EXITED
 * where it had ended by itself with a failure and nobody has called `stop()`.
 *
 * Rejects with ENOENT or EACCES where there is no such program or interpreter, ERR_PORTSIDE_CHILD_EXITED with its stderr where it ends
 * before it listens, ERR_PORTSIDE_WAIT_TIMEOUT, ERR_PORTSIDE_UNSUPPORTED by descriptor on Windows, and as `listenTcp`.
 */
export function spawnListening(
  command: string,
  args: readonly string[] = [],
  options: SpawnListeningOptions = {},
): Promise<ListeningChild> {
  return calledBy(spawnListening, () => start(command, args, readOptions(options, SPEC)))
}

const SPEC = {
  of: 'spawnListening()',
  names: namesOf<SpawnListeningOptions>()(
    'cwd',
    'env',
    'family',
    'host',
    'port',
    'by',
    'backlog',
    'timeout',
    'grace',
    'signal',
  ),
  example: "{ by: 'port' }",
  instead: {
    shell: 'leave it out: pass the program and its arguments, as spawn() without a shell takes them',
    stdio: 'leave it out: its output is read, see .stdout and .stderr',
    detached: 'leave it out: the program ends with this process',
  },
}

async function start(
  command: string,
  args: readonly string[],
  options: SpawnListeningOptions,
): Promise<ListeningChild> {
  const plan = await planOf(command, args, options)
  const { port = 0 } = options
  const reservation = isReservation(port)
    ? port
    : await reserveFor('stop() of what spawnListening() gave', reserveOptions(options, port))
  try {
    const { addresses, bind } = (await placeOf({ ...options, port: reservation }, 'tcp')).addresses
    const bound = bind === 'all' ? addresses : addresses.slice(0, 1)
    const endpoints = bound.map((address) => toEndpoint(address, reservation.port))
    const startBy = plan.by === 'port' ? startByPort : startByDescriptor
    return new ListeningProgram(await reservation.handOver(() => startBy(plan, endpoints), 'tcp'), endpoints)
  } finally {
    if (reservation !== port) await reservation.release()
  }
}

interface Plan {
  readonly path: string
  readonly args: readonly string[]
  readonly options: SpawnListeningOptions
  readonly by: 'descriptor' | 'port'
  readonly timeout: number
  readonly name: string
}

async function planOf(command: string, args: readonly string[], options: SpawnListeningOptions): Promise<Plan> {
  // Loaded here, with what looks for programs: to import portside takes no longer for it.
  const { checkCommand, programOf } = await import('./command.js')
  checkCommand(command, args, options)
  const { by = 'descriptor', backlog, timeout = 10_000, signal } = options
  if (by !== 'descriptor' && by !== 'port') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'by', "'descriptor' or 'port'", by)
  }
  if (backlog !== undefined) integer('backlog', backlog, 1)
  milliseconds('timeout', timeout)
  const name = `start ${command}`
  refuseAborted(signal, name)
  const why = by === 'descriptor' ? whyNoDescriptorPassing() : undefined
  if (why !== undefined) {
    throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
      headline: `Cannot ${name} with a listening socket`,
      because: why,
      next: "pass by: 'port', for a program that listens on the number in PORT",
    })
  }
  return { path: programOf(command, args, options, name), args, options, by, timeout, name }
}

function reserveOptions({ family, host, signal }: SpawnListeningOptions, port: number) {
  return {
    ...(family === undefined ? {} : { family }),
    ...(host === undefined ? {} : { host }),
    ...(signal === undefined ? {} : { signal }),
    // A list of one: it is this port or none.
    ...(port === 0 ? {} : { port: [port], fetchSafe: false }),
  }
}

async function startByPort(plan: Plan, endpoints: readonly Endpoint[]): Promise<Child> {
  // Loaded here, for it would be a good part of what it takes to import portside.
  const { Child: Program } = await import('./child.js')
  const { path, args, options, timeout, name } = plan
  const { signal } = options
  refuseAborted(signal, name)
  const child = new Program(name, path, args, { ...options, env: { ...envOf(options), ...portOf(endpoints) } })
  await running(child, plan)
  const giveUp = new AbortController()
  const forget = onAbort(signal, () => giveUp.abort(signal?.reason))
  const died = child.exited.then((exit) => {
    giveUp.abort()
    return exit
  })
  try {
    await Promise.all(endpoints.map((endpoint) => waitForListening(endpoint, { timeout, signal: giveUp.signal })))
    return child
  } catch (error) {
    if (signal?.aborted) {
      await child.stop()
      throw abortError(signal, name)
    }
    const ended = giveUp.signal.aborted ? child.failure(await died, { listened: false }) : error
    // Before it is stopped: what it listens on instead is asked of the kernel.
    const told = codeOf(ended) === 'ERR_PORTSIDE_WAIT_TIMEOUT' ? child.silent(ended) : ended
    await child.stop()
    throw told
  } finally {
    forget()
  }
}

async function running(child: Child, { name, options: { signal } }: Plan): Promise<void> {
  await child.spawned
  if (!signal?.aborted) return
  await child.stop()
  throw abortError(signal, name)
}

/**
 * Nothing here lets the event loop poll between the bind and the end of our own copies, or this process would accept
 * connections that are the program's.
 */
async function startByDescriptor(plan: Plan, endpoints: readonly Endpoint[]): Promise<Child> {
  const { path, args, options, name } = plan
  const { Child: Program } = await import('./child.js')
  const { backlog, signal } = options
  refuseAborted(signal, name)
  const listeners: net.Server[] = []
  try {
    for (const endpoint of endpoints) listeners.push(await listening(endpoint, backlog))
    const env = { ...envOf(options), ...portOf(endpoints), LISTEN_FDS: String(listeners.length) }
    const child = new Program(name, path, args, { ...options, env, sockets: listeners.map(descriptorOf) })
    for (const listener of listeners.splice(0)) listener.close()
    await running(child, plan)
    return child
  } finally {
    for (const listener of listeners) listener.close()
  }
}

const portOf = ([endpoint]: readonly Endpoint[]): NodeJS.ProcessEnv => ({ PORT: String(endpoint?.port) })

function listening({ address, port }: Endpoint, backlog = 511): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    const server = net.createServer()
    server.once('error', (error) => reject(thrownByBind(error, address, port)))
    server.listen({ host: address, port, backlog, exclusive: true }, () => resolve(server))
  })
}

/** Node hands a server to its own forks only; any other program takes the bare descriptor. */
const descriptorOf = (server: net.Server): number => handleOf(server)?.fd as number

const envOf = ({ env = process.env }: SpawnListeningOptions): NodeJS.ProcessEnv => env

class ListeningProgram implements ListeningChild {
  readonly endpoint: Endpoint
  readonly address: string
  readonly port: number
  readonly family: Family
  readonly exited: Promise<ChildExit>
  readonly #child: Child

  constructor(
    child: Child,
    readonly endpoints: readonly Endpoint[],
  ) {
    this.#child = child
    this.endpoint = endpoints[0] as Endpoint
    this.address = this.endpoint.address
    this.port = this.endpoint.port
    this.family = this.endpoint.family
    this.exited = child.exited
  }

  get child(): ChildProcess {
    return this.#child.process
  }
  get stderr(): string {
    return this.#child.stderr
  }
  get stdout(): string {
    return this.#child.stdout
  }

  stop(signal?: NodeJS.Signals): Promise<ChildExit> {
    return this.#child.stop(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { endedByItself } = this.#child
    const exit = await this.stop()
    if (endedByItself && exit.code !== 0) {
      throw this.#child.failure(exit, { listened: true })
    }
  }
}
