import type { DrainReport } from '../../../src/index.js'
import { Clients } from './clients/play.js'
import type { Foreigners } from './foreigners.js'
import { LoopClock } from './loop-clock.js'
import type { Schedule } from './schedule.js'
import { clock, type Seen } from './seen.js'
import { type Accepted, type Begun, type Portside, serve } from './server.js'

/** How many bytes the server had read of a connection when close() was called. */
export interface OpenAtCall {
  readonly accepted: Accepted
  readonly raw: number
  readonly plain: number
  readonly secured: boolean
  readonly destroyed: boolean
}

/** Everything that both ends of a schedule saw. */
export interface Played {
  readonly schedule: Schedule
  readonly seed: number
  readonly port: number
  readonly calledAt: number
  /** The connections of the listener: all of them, and those open when close() was called. */
  readonly accepted: readonly Accepted[]
  readonly open: readonly OpenAtCall[]
  readonly begun: ReadonlyMap<string, Begun>
  readonly report: DrainReport | undefined
  /** The rejection of close(), unless it reports connections closed by force. */
  readonly failure: string | undefined
  readonly hung: boolean
  /** Milliseconds from the first call until it settled, those of them that passed for the event loop, and until the deadline. */
  readonly took: number
  readonly passed: number
  readonly deadline: number
  /** The longest time without a turn of the event loop, in milliseconds. */
  readonly lag: number
  /** The time when close() settled. */
  readonly unclosed: readonly string[]
  readonly listening: boolean
  readonly own: Seen
  readonly foreign: Seen
}

/** The longest that close() may take beyond its deadline before it counts as hung, in milliseconds. */
const HANG = 12_000

let names = 0

/** Plays one schedule and returns what happened. */
export async function play(
  schedule: Schedule,
  seed: number,
  portside: Portside,
  foreigners: Foreigners,
): Promise<Played> {
  const number = names++
  const served = await serve(schedule, portside, String(number))
  const { listener, target, accepted } = served
  const cast = schedule.clients.map((client, index) => [index, client] as const)
  const own = new Clients(
    target,
    cast.filter(([, { foreign }]) => !foreign),
  )
  foreigners.play(
    number,
    target,
    cast.filter(([, { foreign }]) => foreign),
  )

  await moment(schedule, served)
  using loop = new LoopClock()
  const abort = new AbortController()
  const timers: NodeJS.Timeout[] = []
  const begun = performance.now()
  const calledAt = clock()
  const open = accepted.filter(({ closed }) => !closed).map(lookAt)
  const [first, ...later] = schedule.closes
  const closing = settle(listener.close({ grace: first!.grace, force: first!.force, signal: abort.signal }))
  let [at, deadline] = [0, first!.grace]
  for (const { after, grace, force } of later) {
    at += after
    deadline = Math.min(deadline, at + grace)
    timers.push(setTimeout(() => void settle(listener.close({ grace, force })), at))
  }
  if (schedule.abort !== null) {
    deadline = Math.min(deadline, schedule.abort)
    timers.push(setTimeout(() => abort.abort(), schedule.abort))
  }
  const settled = await Promise.race([closing, hang(deadline + HANG, timers)])
  const took = performance.now() - begun
  const { passed, longest: lag } = loop
  const unclosed = accepted.flatMap(({ socket, stream, closed }) =>
    closed && stream.closed ? [] : [`${closed ? 'secure' : 'raw'}, destroyed: ${socket.destroyed}`],
  )
  const listening = listener.server.listening
  for (const timer of timers) clearTimeout(timer)
  const [seen, foreign] = await Promise.all([own.finish(), foreigners.finish(number)])
  return {
    schedule,
    seed,
    port: listener.port,
    calledAt,
    accepted,
    open,
    begun: served.begun,
    report: settled?.report,
    failure: settled?.failure,
    hung: settled === undefined,
    took,
    passed,
    deadline,
    lag,
    unclosed,
    listening,
    own: seen,
    foreign,
  }
}

/** Waits for the moment of the first close(). */
async function moment({ closes, phase }: Schedule, served: { onBegun: () => void }): Promise<void> {
  const time = new Promise<void>((resolve) => void setTimeout(resolve, closes[0]!.after))
  if (phase === 'request') {
    await time
    // In the next handler that begins, if that happens soon.
    await Promise.race([
      new Promise<void>((resolve) => {
        served.onBegun = resolve
      }),
      new Promise<void>((resolve) => void setTimeout(resolve, 40)),
    ])
    return
  }
  await time
  if (phase === 'immediate') await new Promise<void>((resolve) => void setImmediate(resolve))
  if (phase === 'microtask') await new Promise<void>((resolve) => process.nextTick(resolve))
}

function lookAt(accepted: Accepted): OpenAtCall {
  const { socket, stream } = accepted
  return {
    accepted,
    raw: socket.bytesRead,
    plain: stream.bytesRead,
    secured: stream !== socket,
    destroyed: socket.destroyed || stream.destroyed,
  }
}

interface Settled {
  readonly report: DrainReport | undefined
  readonly failure: string | undefined
}

/** A DrainError has a report too. */
async function settle(closing: Promise<DrainReport>): Promise<Settled> {
  try {
    return { report: await closing, failure: undefined }
  } catch (error) {
    const { code, report, message } = error as { code?: string; report?: DrainReport; message: string }
    return { report, failure: code === 'ERR_PORTSIDE_DRAIN' ? undefined : `${code}: ${message.split('\n')[0]}` }
  }
}

function hang(ms: number, timers: NodeJS.Timeout[]): Promise<undefined> {
  return new Promise((resolve) => void timers.push(setTimeout(() => resolve(undefined), ms)))
}
