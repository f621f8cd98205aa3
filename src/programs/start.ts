import net from 'node:net'
import { abortError } from '../errors.js'
import { thrownByBind } from '../explanations/thrown.js'
import { type Endpoint, toEndpoint } from '../loopback/endpoint.js'
import { placeOf } from '../loopback/place.js'
import { isReservation } from '../loopback/port-reservation.js'
import { loopbackFamilies } from '../loopback/probe.js'
import { handleOf } from '../platform/node-internals.js'
import type { ProgramFamily } from '../platform/program-family.js'
import { type ReserveOptions, reserveFor } from '../ports/reserve-port.js'
import { refuseAborted } from '../signals.js'
import { describeOwner, type SocketOwner } from '../socket-table/owners.js'
import { Child } from './child.js'
import { conditionsOf } from './conditions.js'
import { AcceptFinder } from './find-accepting.js'
import { AnywhereFinder } from './find-anywhere.js'
import { EndpointFinder } from './find-at-endpoints.js'
import type { Finder } from './finder.js'
import type { ArgsForPort, ListeningChild, SpawnListeningOptions } from './listening-child.js'
import { ListeningProgram } from './listening-program.js'
import { notReady } from './not-ready.js'
import type { PrintedTo } from './output.js'
import { type Plan, planOf } from './plan.js'
import { strangerNowAt, type TakenPort, takenPort } from './taken-port.js'
import { untilReady } from './until-ready.js'

/** Runs `spawnListening()` with checked options. The command line passes its own `printedTo`. */
export async function start(
  command: string,
  args: readonly string[] | ArgsForPort,
  options: SpawnListeningOptions,
  printedTo?: PrintedTo,
): Promise<ListeningChild> {
  const planned = planOf(command, args, options)
  const unnumbered = { ...planned, child: { ...planned.child, printedTo } }
  const { port } = options
  if (port === 'any') return startAnywhere(unnumbered)
  // Only this call can release it, so a leak report names the program and not the reservation.
  const reservation = isReservation(port)
    ? port
    : await reserveFor(undefined, reserveOptions(options), { advice: TAKEN })
  try {
    const { addresses, bind } = (await placeOf({ ...options, port: reservation }, 'tcp')).addresses
    const endpoints = addresses.map((address) => toEndpoint(address, reservation.port)) as [Endpoint, ...Endpoint[]]
    const wanted = bind === 'all' && !isAnyFamily(options) ? 'all' : 'first'
    // Before the hand-over, which may free the port.
    const plan = { ...unnumbered, args: planned.argsFor?.(reservation.port) ?? planned.args }
    return await reservation.handOver(
      () => (plan.by === 'port' ? startByPort(plan, endpoints, wanted) : startByDescriptor(plan, endpoints, wanted)),
      'tcp',
    )
  } finally {
    if (reservation !== port) await reservation.release()
  }
}

const TAKEN = 'end the program that has the port, or leave port out'

/** By port, without an option for the address, a program may listen on either loopback address. */
const isAnyFamily = ({ family, host, port, by }: SpawnListeningOptions): boolean =>
  family === undefined && host === undefined && by !== 'descriptor' && !isReservation(port)

function reserveOptions(options: SpawnListeningOptions): ReserveOptions {
  const { family, host, signal } = options
  const port = options.port as number | undefined
  const both = isAnyFamily(options) && loopbackFamilies().length === 2
  return {
    ...(both ? { family: 'dual' } : family === undefined ? {} : { family }),
    ...(host === undefined ? {} : { host }),
    ...(signal === undefined ? {} : { signal }),
    // A list of one: this port or an error.
    ...(port === undefined || port === 0 ? {} : { port: [port], fetchSafe: false }),
  }
}

function startByPort(plan: Plan, endpoints: readonly Endpoint[], wanted: 'all' | 'first'): Promise<ListeningChild> {
  const env = { ...plan.env, PORT: String(endpoints[0]?.port) }
  const child = new Child(plan.name, plan.path, plan.args, { ...plan.child, env })
  return ready(plan, child, endpoints, (family) => new EndpointFinder(endpoints, wanted, family))
}

function startAnywhere(plan: Plan): Promise<ListeningChild> {
  const child = new Child(plan.name, plan.path, plan.args, { ...plan.child, env: plan.env })
  return ready(plan, child, [], (family) => new AnywhereFinder(family, plan.match))
}

/**
 * The event loop must not poll between the bind and the close of this process's copies. Otherwise this process would accept
 * connections that are for the program.
 */
async function startByDescriptor(
  plan: Plan,
  all: readonly Endpoint[],
  wanted: 'all' | 'first',
): Promise<ListeningChild> {
  const endpoints = (wanted === 'all' ? all : all.slice(0, 1)) as [Endpoint, ...Endpoint[]]
  const listeners: net.Server[] = []
  let child: Child
  try {
    for (const endpoint of endpoints) listeners.push(await listening(endpoint, plan.backlog))
    const env = { ...plan.env, LISTEN_FDS: String(listeners.length) }
    child = new Child(plan.name, plan.path, plan.args, { ...plan.child, env, sockets: listeners.map(descriptorOf) })
  } finally {
    for (const listener of listeners) listener.close()
  }
  const finder = new AcceptFinder(endpoints, plan.ready.length > 0 && !plan.ready.includes('listening'))
  try {
    return await ready(plan, child, endpoints, () => finder)
  } finally {
    finder.close()
  }
}

function listening({ address, port }: Endpoint, backlog = 511): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    const server = net.createServer()
    server.once('error', (error) => reject(thrownByBind(error, address, port)))
    server.listen({ host: address, port, backlog, exclusive: true }, () => resolve(server))
  })
}

/** Node passes a server only to its own forks. Other programs take the descriptor. */
const descriptorOf = (server: net.Server): number => handleOf(server)?.fd as number

/** Waits until the program is ready. If it is not, ends the program before it rejects. */
async function ready(
  plan: Plan,
  child: Child,
  endpoints: readonly Endpoint[],
  finderOf: (family: ProgramFamily) => Finder,
): Promise<ListeningChild> {
  const { name, signal, timeout } = plan
  const died = new AbortController()
  const ended = child.exited.then((exit) => {
    died.abort()
    return exit
  })
  try {
    // Before the program runs, to catch its first line.
    const conditions = conditionsOf(plan.ready, { output: child.output, trust: 'any' })
    await child.spawned
    refuseAborted(signal, name)
    const family = child.family as ProgramFamily
    const finder = finderOf(family)
    const result = await untilReady(name, finder, conditions, { timeout, signal, stop: died.signal })
    if (died.signal.aborted) throw endedEarly(child, await ended, endpoints, finder.seen().stranger)
    if ('ready' in result) return new ListeningProgram(child, result.ready)
    // Before the program is stopped, because the error says where it listens.
    const { output } = child
    const what = { asked: name, timeout, finder, family, endpoints, output, unready: result.unready }
    throw notReady({ ...what, code: 'ERR_PORTSIDE_NOT_READY' })
  } catch (error) {
    const aborted = signal?.aborted && !child.endedByItself
    // The first error says more than a failure to stop it.
    await child.stop().catch(() => {})
    child.output.failed()
    throw aborted ? abortError(signal as AbortSignal, name) : error
  }
}

function endedEarly(
  child: Child,
  exit: Awaited<Child['exited']>,
  endpoints: readonly Endpoint[],
  stranger: SocketOwner | undefined,
): Error {
  const said = `${child.stderr}\n${child.stdout}`
  const taken = takenPort(said, endpoints, child.family) ?? strangerOf(stranger, endpoints, child.family)
  const owner = taken?.owner
  const error = child.failure(exit, {
    listened: false,
    because: taken?.because,
    owner: owner && describeOwner(owner),
    next: taken?.next,
  })
  return owner === undefined ? error : Object.assign(error, { owners: [owner] })
}

/** The listener seen while the program exited may have been its own. A listener of another program is still there. */
function strangerOf(
  stranger: SocketOwner | undefined,
  endpoints: readonly Endpoint[],
  family: ProgramFamily | undefined,
): Pick<TakenPort, 'because' | 'owner' | 'next'> | undefined {
  const owner = stranger && strangerNowAt(endpoints, family)
  return owner && { because: 'another program listens on the port', owner, next: TAKEN }
}
