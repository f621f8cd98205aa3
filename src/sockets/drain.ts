import type net from 'node:net'
import { invalidArgument } from '../errors.js'
import { milliseconds } from '../numbers.js'
import { namesOf, readOptions } from '../options.js'
import { now, pause, turn } from '../timers.js'
import type { Connection } from './connection.js'
import { Deadline, within } from './deadline.js'
import { Departing, type Force } from './departing.js'
import { type DrainReport, drainError, hookError, makeReport, stuck } from './drain-report.js'
import { finish } from './finish.js'
import { closeTogether, quiet, received } from './pair.js'
import { type Pair, pairUp } from './registry.js'

/**
 * How long a drain waits, and how it closes the remaining connections.
 *
 * @see `docs/sockets.md#drainoptions`
 */
export interface DrainOptions {
  /**
   * Milliseconds that connections have to close before force is used. With 0 force is used immediately, and no hook is called.
   *
   * @default 1000
   */
  grace?: number
  /**
   * How the remaining connections are closed at the deadline. `'destroy'` closes them, `'reset'` sends a RST, and `'reject'`
   * closes them and then rejects with a DrainError that names each.
   *
   * @default 'destroy'
   */
  force?: 'destroy' | 'reset' | 'reject'
  /** Aborting it moves the deadline to now. The drain still cleans up and gives its report. */
  signal?: AbortSignal
}

/**
 * Runs at the start of a drain with a socket whose protocol is your own. The FIN waits until its promise settles, or the grace is over.
 *
 * @see `docs/sockets.md#hooks`
 */
export type DrainHook = (socket: net.Socket) => void | Promise<void>

export interface Drain {
  readonly report: Promise<DrainReport>
  /** A later call can only bring the deadline nearer. */
  shorten(options: DrainOptions): void
}

export const DEFAULT_GRACE = 1000

/** The connections that a drain closes, and their listener. */
export interface DrainSource {
  /** Its name in messages: 'the server on 127.0.0.1:3000'. */
  readonly name: string
  /** The connections at this moment. */
  readonly connections: Iterable<Connection>
  /**
   * Stops listening and returns every connection that is left. Calls `accepted` for each connection that came in meanwhile. Waits
   * at most until `expired()`.
   */
  collect(accepted: (connection: Connection) => void, expired: () => boolean): Promise<Iterable<Connection>>
  /** Closes the listener or agent that held the connections. Waits at most until `expired()`. */
  settled(expired: () => boolean): Promise<unknown>
}

/** Closes connections. Before the deadline nothing in flight is cut off; after it everything is closed. */
export function startDrain(source: DrainSource, options: DrainOptions, hooks: readonly DrainHook[] = []): Drain {
  const { grace, force } = checkDrainOptions(options)
  const begun = now()
  const deadline = new Deadline()
  deadline.bring(begun + grace)
  deadline.heed(options.signal)

  const run = async (): Promise<DrainReport> => {
    const leaving = new Map<Connection, Departing>()
    // Known connections are noted now, because they may close during the wait for the accept queue.
    lookAt(source.connections, leaving)
    const expired = (): boolean => deadline.passed
    lookAt(await source.collect((connection) => note(connection, leaving), expired), leaving)
    const all = [...leaving.values()]
    const hookErrors = all.length === 0 ? NONE : await endAll(source.name, all, deadline, force, hooks)
    await source.settled(expired)
    deadline.forget()
    const report = makeReport(all, begun)
    if (force === 'reject' && report.destroyed + report.reset > 0) throw drainError(source.name, report, grace)
    if (hookErrors.length > 0) throw hookError(source.name, hookErrors, report)
    return report
  }

  return {
    report: run(),
    shorten(later) {
      deadline.bring(now() + checkDrainOptions(later).grace)
      deadline.heed(later.signal)
    },
  }
}

/** Notes the state of each connection. From here on, no accepted end sends the first FIN to a client of this process. */
function lookAt(connections: Iterable<Connection>, leaving: Map<Connection, Departing>): void {
  for (const connection of connections) note(connection, leaving)
  // Connections noted earlier too: their client may not have been connected then, and had no tuple.
  const unpaired = [...leaving.values()].filter(({ pair, connection }) => pair === undefined && !connection.closed)
  if (unpaired.length === 0) return
  const pairs = pairUp(unpaired.map(({ connection }) => connection))
  for (const each of unpaired) {
    each.pair = pairs.get(each.connection)
    if (each.pair !== undefined) closeTogether(each.pair)
  }
}

function note(connection: Connection, leaving: Map<Connection, Departing>): void {
  if (!leaving.has(connection)) leaving.set(connection, new Departing(connection))
}

async function endAll(
  name: string,
  leaving: Departing[],
  deadline: Deadline,
  force: Force,
  hooks: readonly DrainHook[],
): Promise<readonly unknown[]> {
  const hookErrors: unknown[] = []
  const draining = new Set(leaving.map(({ connection }) => connection))
  const allClosed = Promise.all(leaving.map(({ closed }) => closed))
  // If the deadline has passed, winding down would race with the force.
  for (const { connection, pair } of deadline.passed ? [] : leaving) {
    // If both ends drain, the accepted end leads.
    if (!connection.accepted && pair !== undefined && draining.has(pair.accepted)) continue
    windDown(connection, pair, hooks).catch((error) => hookErrors.push(error))
  }
  await deadline.race(allClosed)
  for (const each of leaving) each.end(force)
  await within(CLOSE_LIMIT, allClosed, () => stuck(name, leaving, CLOSE_LIMIT))
  return hookErrors
}

/** Reads the options of `of`, a function that drains. Throws as `readOptions()`, and for an invalid grace or force. */
export function readDrainOptions(options: DrainOptions | undefined, of: string): DrainOptions {
  const read = readOptions(options, { of, names: DRAIN, example: '{ grace: 100 }', instead: { timeout: 'pass grace' } })
  checkDrainOptions(read)
  return read
}

const DRAIN = namesOf<DrainOptions>()('grace', 'force', 'signal')

export function checkDrainOptions(options: DrainOptions): Required<Pick<DrainOptions, 'grace' | 'force'>> {
  const { grace = DEFAULT_GRACE, force = 'destroy' } = options
  milliseconds('grace', grace)
  if (!FORCES.includes(force)) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'force', "'destroy', 'reset' or 'reject'", force)
  }
  return { grace, force }
}

const FORCES: ReadonlyArray<DrainOptions['force']> = ['destroy', 'reset', 'reject']

const NONE: readonly unknown[] = []

/** The longest that a destroyed socket may take to close, in milliseconds. The kernel closes it immediately. */
const CLOSE_LIMIT = 5000

async function windDown(connection: Connection, pair: Pair | undefined, hooks: readonly DrainHook[]): Promise<void> {
  let hooksFailed: unknown[] = []
  if (connection.protocol.hookable) {
    const calls = hooks.map(async (hook) => hook(connection.stream))
    const results = await Promise.allSettled(calls)
    hooksFailed = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
  }
  await atRest(connection, pair)
  if (!connection.closed) finish(connection)
  if (hooksFailed.length > 0) throw hooksFailed[0]
}

/** Waits until nothing is in flight on the connection. */
async function atRest(connection: Connection, pair: Pair | undefined): Promise<void> {
  let changed = (): void => {}
  connection.quiesce(() => changed())
  connection.whenClosed(() => changed())
  for (;;) {
    // Repeated, because the end of a handshake puts another socket on top.
    if (pair !== undefined) closeTogether(pair)
    if (connection.closed) return
    if (connection.protocol.busy()) {
      await new Promise<void>((resolve) => {
        changed = resolve
      })
      continue
    }
    // A client of this process may have written a request that is not read or not parsed yet.
    await settle(connection, pair)
    if (!connection.protocol.busy()) return
  }
}

/**
 * Waits at least one turn. For a pair that speaks HTTP, it waits until each end has read everything, because a client may send a
 * request as soon as it has its answer. Peers of an unknown protocol may write forever, so it waits only until the accepted end
 * has read the bytes that the client has written so far.
 */
async function settle(connection: Connection, pair: Pair | undefined): Promise<void> {
  const { protocol } = connection
  await turn()
  if (pair === undefined || !connection.accepted) return
  const there = protocol.hookable ? received(pair) : () => quiet(pair)
  for (let turns = 1; !there() && connection.protocol === protocol && !protocol.busy(); turns++) await pause(turns)
}
