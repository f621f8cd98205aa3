import { invalidArgument, type PortsideError, portsideError } from '../errors.js'
import type { Endpoint } from '../loopback/endpoint.js'
import { clearTimeout, LONGEST_DELAY, now, setTimeout, turn } from '../timers.js'
import type { Connection, ConnectionState } from './connection.js'
import { closeTogether, delivered, destroyTogether, reset } from './pair.js'
import { type Pair, pairUp } from './registry.js'
import { formatTuple } from './tuple.js'

export interface DrainOptions {
  /** Milliseconds that connections get to end by themselves before force is used. Default 1000; 0 forces at once. */
  grace?: number
  /**
   * What happens to those that are left at the deadline: `'destroy'` (default) closes them, `'reset'` sends a RST,
   * `'reject'` closes them and then rejects with a DrainError that names each.
   */
  force?: 'destroy' | 'reset' | 'reject'
  /** Aborting moves the deadline to now. The clean-up is done all the same and the report is given. */
  signal?: AbortSignal
}

export interface DrainReport {
  outcomes: ConnectionOutcome[]
  /** Milliseconds from the call to the last close. */
  duration: number
  /** How many outcomes of each kind there are. */
  closed: number
  destroyed: number
  reset: number
}

export interface ConnectionOutcome {
  local: Endpoint | string
  remote: Endpoint | string | undefined
  /** `closed`: within the grace, without force. */
  outcome: 'closed' | 'destroyed' | 'reset'
  /** What the connection was doing when the drain began. */
  state: ConnectionState
  /** Milliseconds since it was tracked, when the drain ended it. */
  age: number
  bytesRead: number
  bytesWritten: number
  /** Bytes that Node still held when force was used. */
  pendingBytes: number
  /** The request line in flight when the drain began. */
  request?: string
  /** The first error that the socket raised in its life, such as a peer's reset. */
  error?: Error
}

/** Rejection of a drain with `force: 'reject'`. Everything it names has been cleaned up. */
export interface DrainError extends PortsideError {
  code: 'ERR_PORTSIDE_DRAIN'
  stragglers: ConnectionOutcome[]
  report: DrainReport
}

export type DrainHook = (socket: Connection['stream']) => void | Promise<void>

export interface Drain {
  readonly report: Promise<DrainReport>
  /** A later call can only bring the deadline nearer. */
  shorten(options: DrainOptions): void
}

export const DEFAULT_GRACE = 1000

/** What a drain ends. */
export interface DrainSource {
  /** The connections at this moment. */
  readonly connections: Iterable<Connection>
  /** Lets nothing new in and gives every connection that is left. */
  collect(): Iterable<Connection> | Promise<Iterable<Connection>>
  /** Closes what held the connections; what it waits for meanwhile it waits for until `expired()`. */
  settled(expired: () => boolean): Promise<unknown>
}

/** Ends connections: nothing in flight is cut before the deadline, everything is closed after it. */
export function startDrain(source: DrainSource, options: DrainOptions, hooks: readonly DrainHook[] = []): Drain {
  const { grace, force } = readDrainOptions(options)
  const begun = now()
  const deadline = new Deadline()
  deadline.bring(begun + grace)
  deadline.heed(options.signal)

  const run = async (): Promise<DrainReport> => {
    // Known ones are looked at before the wait for the accept queue, in which they may go on.
    const known = new Map<Connection, Straggler>()
    for (const connection of source.connections) known.set(connection, new Straggler(connection))
    for (const connection of await source.collect()) {
      if (!known.has(connection)) known.set(connection, new Straggler(connection))
    }
    const stragglers = [...known.values()]
    const hookErrors = stragglers.length === 0 ? NONE : await endAll(stragglers, deadline, force, hooks)
    await source.settled(() => deadline.passed)
    deadline.forget()
    const report = makeReport(stragglers, begun)
    if (force === 'reject' && report.destroyed + report.reset > 0) throw drainError(report, grace)
    if (hookErrors.length > 0) throw hookError(hookErrors, report)
    return report
  }

  return {
    report: run(),
    shorten(later) {
      deadline.bring(now() + readDrainOptions(later).grace)
      deadline.heed(later.signal)
    },
  }
}

async function endAll(
  stragglers: Straggler[],
  deadline: Deadline,
  force: NonNullable<DrainOptions['force']>,
  hooks: readonly DrainHook[],
): Promise<readonly unknown[]> {
  const hookErrors: unknown[] = []
  const draining = new Set(stragglers.map(({ connection }) => connection))
  const pairs = pairUp(draining)
  const allClosed = Promise.all(stragglers.map(({ closed }) => closed))
  // At the deadline already: winding down would race with the force.
  for (const connection of deadline.passed ? [] : draining) {
    const pair = pairs.get(connection)
    // Where both ends drain, the accepted one leads.
    if (!connection.accepted && pair !== undefined && draining.has(pair.accepted)) continue
    windDown(connection, pair, hooks).catch((error) => hookErrors.push(error))
  }
  await deadline.race(allClosed)
  for (const straggler of stragglers) straggler.end(force, pairs.get(straggler.connection))
  await within(CLOSE_LIMIT, allClosed, () => stuck(stragglers))
  return hookErrors
}

/** A point in time that can only come nearer. */
class Deadline {
  #at = Number.POSITIVE_INFINITY
  #timer: ReturnType<typeof setTimeout> | undefined
  #reached: (() => void) | undefined
  #signals: AbortSignal[] | undefined
  readonly #now = (): void => this.bring(now())

  get passed(): boolean {
    return now() >= this.#at
  }

  bring(at: number): void {
    if (at >= this.#at) return
    this.#at = at
    if (this.#reached !== undefined) this.#arm()
  }

  heed(signal: AbortSignal | undefined): void {
    if (signal === undefined) return
    if (signal.aborted) this.#now()
    signal.addEventListener('abort', this.#now)
    this.#signals ??= []
    this.#signals.push(signal)
  }

  async race(work: Promise<unknown>): Promise<void> {
    const reached = new Promise<void>((resolve) => {
      this.#reached = resolve
    })
    this.#arm()
    await Promise.race([work, reached])
    this.forget()
  }

  forget(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    if (this.#signals === undefined) return
    for (const signal of this.#signals) signal.removeEventListener('abort', this.#now)
    this.#signals = undefined
  }

  #arm(): void {
    clearTimeout(this.#timer)
    // Not unref'd: the process would end with the promise pending.
    this.#timer = setTimeout(() => this.#reached?.(), Math.max(0, this.#at - now()))
  }
}

export function readDrainOptions(options: DrainOptions): Required<Pick<DrainOptions, 'grace' | 'force'>> {
  const { grace = DEFAULT_GRACE, force = 'destroy' } = options
  if (typeof grace !== 'number') throw invalidArgument('ERR_INVALID_ARG_TYPE', 'grace', GRACE, grace)
  if (!(grace >= 0 && grace <= LONGEST_DELAY)) throw invalidArgument('ERR_OUT_OF_RANGE', 'grace', GRACE, grace)
  if (!FORCES.includes(force)) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'force', "'destroy', 'reset' or 'reject'", force)
  }
  return { grace, force }
}

const GRACE = `milliseconds from 0 to ${LONGEST_DELAY}`
const FORCES: ReadonlyArray<DrainOptions['force']> = ['destroy', 'reset', 'reject']

const NONE: readonly unknown[] = []

/** Longest that a socket may take to close after it was destroyed: the kernel needs no time for that. */
const CLOSE_LIMIT = 5000

/** A connection on its way out, as it was when the drain began. */
class Straggler {
  readonly #state: ConnectionState
  readonly #request: string | undefined
  readonly #tuple: Connection['tuple']
  readonly closed: Promise<void>
  #outcome: ConnectionOutcome['outcome'] = 'closed'
  #pendingBytes = 0
  #endedAt: number | undefined

  constructor(readonly connection: Connection) {
    this.#state = connection.protocol.state()
    this.#request = connection.protocol.request()
    this.#tuple = connection.tuple
    // What is in flight already is told to be the last; what the kernel still holds is read as if nothing had happened.
    if (this.#state === 'head' || this.#state === 'active') connection.quiesce(() => {})
    this.closed = new Promise((resolve) => {
      connection.whenClosed(() => {
        this.#endedAt = now()
        resolve()
      })
    })
  }

  end(force: NonNullable<DrainOptions['force']>, pair: Pair | undefined): void {
    const { connection } = this
    if (connection.closed) return
    const { stream, protocol } = connection
    this.#pendingBytes = stream.writableLength
    this.#outcome = 'destroyed'
    if (force === 'reset') {
      if (reset(connection)) this.#outcome = 'reset'
    } else if (pair !== undefined) {
      destroyTogether(pair)
    } else {
      stream.destroy()
    }
    protocol.abandon?.()
  }

  toOutcome(): ConnectionOutcome {
    const { connection } = this
    const { stream, error, since } = connection
    return {
      local: this.#tuple.local,
      remote: this.#tuple.remote,
      outcome: this.#outcome,
      state: this.#state,
      age: (this.#endedAt ?? now()) - since,
      bytesRead: stream.bytesRead ?? 0,
      bytesWritten: stream.bytesWritten ?? 0,
      pendingBytes: this.#pendingBytes,
      ...(this.#request === undefined ? {} : { request: this.#request }),
      ...(error === undefined ? {} : { error }),
    }
  }
}

async function windDown(connection: Connection, pair: Pair | undefined, hooks: readonly DrainHook[]): Promise<void> {
  let hooksFailed: unknown[] = []
  if (connection.protocol.hookable) {
    const calls = hooks.map(async (hook) => hook(connection.stream))
    const results = await Promise.allSettled(calls)
    hooksFailed = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
  }
  if (pair !== undefined) closeTogether(pair)
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
    while (connection.protocol.busy() && !connection.closed) {
      await new Promise<void>((resolve) => {
        changed = resolve
      })
    }
    if (connection.closed) return
    // A request may be on its way to us: written by a client of this process, or read but not parsed yet.
    if (connection.accepted && pair !== undefined && connection.protocol.state() !== 'http2') {
      await delivered(pair.client, connection.stream)
    } else {
      await turn()
    }
    if (!connection.protocol.busy()) return
  }
}

/** Our FIN, and an open ear for the peer's. */
function finish(connection: Connection): void {
  const { stream } = connection
  if (!stream.writableEnded) stream.end()
  // Without a reader the peer's FIN, behind bytes that nobody took, would never be seen.
  if (stream.readableFlowing === null && stream.listenerCount('readable') === 0) stream.resume()
}

async function within(limit: number, work: Promise<unknown>, late: () => Error): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const expiry = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late()), limit)
  })
  try {
    await Promise.race([work, expiry])
  } finally {
    clearTimeout(timer)
  }
}

function makeReport(stragglers: Straggler[], begun: number): DrainReport {
  const outcomes = stragglers.map((straggler) => straggler.toOutcome())
  const report = { outcomes, duration: now() - begun, closed: 0, destroyed: 0, reset: 0 }
  for (const { outcome } of outcomes) report[outcome]++
  return report
}

function drainError(report: DrainReport, grace: number): DrainError {
  const stragglers = report.outcomes.filter(({ outcome }) => outcome !== 'closed')
  const error = portsideError('ERR_PORTSIDE_DRAIN', {
    asked: 'drain',
    expected: `every connection to end within its grace of ${grace} ms`,
    actual: `${stragglers.length} that had to be ended by force\n${stragglers.map(describeStraggler).join('\n')}\n`,
    next: 'end these in the code under test, or give a longer grace',
  })
  error.name = 'DrainError'
  return Object.assign(error, { stragglers, report }) as DrainError
}

function describeStraggler(outcome: ConnectionOutcome): string {
  const { state, request, age, bytesRead, bytesWritten, pendingBytes } = outcome
  return [
    `  - ${formatTuple(outcome)}`,
    request === undefined ? state : `${state}, ${request}`,
    `open for ${Math.round(age)} ms`,
    `${bytesRead} bytes read, ${bytesWritten} written, ${pendingBytes} of them still queued in Node`,
  ].join('; ')
}

function stuck(stragglers: Straggler[]): Error {
  const left = stragglers.filter(({ connection }) => !connection.closed).map((straggler) => straggler.toOutcome())
  return portsideError('ERR_PORTSIDE_DRAIN_STUCK', {
    asked: 'drain',
    expected: `a destroyed socket to emit 'close' within ${CLOSE_LIMIT} ms`,
    actual: `none from ${left.length}\n${left.map(describeStraggler).join('\n')}\n`,
    because: 'something keeps the socket from closing, most likely an overridden destroy or a removed listener',
    next: 'look for code that calls removeAllListeners() on the socket or replaces its methods',
  })
}

function hookError(errors: readonly unknown[], report: DrainReport): Error {
  const first = errors[0] as Error | undefined
  const error = portsideError('ERR_PORTSIDE_DRAIN_HOOK', {
    asked: 'run every drain hook',
    actual: `${errors.length} that failed, the first with: ${first?.message ?? String(first)}`,
    next: 'mend the hook given to onDrain(); the connections were drained all the same',
    cause: first,
  })
  return Object.assign(error, { errors, report })
}
