import { openSockets } from '../../support/kernel.js'
import { Foreigners } from './foreigners.js'
import { type Complaint, judge } from './judge.js'
import { leftInKernel } from './kernel.js'
import { type Played, play } from './play.js'
import { PROTOCOLS, type Protocol, type Schedule, scheduleFrom } from './schedule.js'
import type { Portside } from './server.js'

export interface ManyOptions {
  /** Schedule `i` has the seed `seed + i`. */
  readonly seed: number
  readonly seconds: number
  readonly count?: number
  readonly protocols?: readonly Protocol[]
  /** How many run at a time. Default 4, because with more the lag of the event loop hides late drains. */
  readonly together?: number
}

/** A kind of complaint, with its first schedules. */
export interface Kind {
  count: number
  readonly first: { readonly seed: number; readonly detail: string; readonly schedule: Schedule }[]
}

export interface Many {
  readonly kinds: ReadonlyMap<string, Kind>
  readonly schedules: number
  readonly accepted: number
  readonly begun: number
  readonly answered: number
  /** Connections that were closed by force. */
  readonly forced: number
  /** How many were late while others ran, and how many of these were late again alone. */
  readonly late: number
  readonly lateAlone: number
  readonly longestLag: number
  readonly socketsBefore: number
  readonly socketsAfter: number
}

/** How many schedules of a kind are kept, and how many late schedules are played again. */
const KEPT = 10
const AGAIN = 20

/** The most milliseconds until a library's clients have closed everything. */
const CLOSING = 1000

/** Plays schedules until the time or the count is over. */
export async function playMany(portside: Portside, options: ManyOptions): Promise<Many> {
  const { seed, count = Number.POSITIVE_INFINITY, protocols = PROTOCOLS, together = 4 } = options
  await using foreigners = new Foreigners()
  // The first schedules make the certificate and other things that stay.
  for (const protocol of protocols) await play({ ...EMPTY, protocol }, 0, portside, foreigners)
  const socketsBefore = openSockets().length
  const kinds = new Map<string, Kind>()
  const late: Played[] = []
  const sums = { schedules: 0, accepted: 0, begun: 0, answered: 0, forced: 0, lateAlone: 0, longestLag: 0 }

  const note = ({ schedule, seed }: Played, complaints: readonly Complaint[]): void => {
    for (const { kind, detail } of complaints) {
      const name = `${schedule.protocol}: ${kind}`
      const entry = kinds.get(name) ?? { count: 0, first: [] }
      kinds.set(name, entry)
      entry.count++
      if (entry.first.length < KEPT) entry.first.push({ seed, detail, schedule })
    }
  }
  const add = (played: Played): void => {
    const complaints = judge(played)
    if (complaints.some(isLate)) late.push(played)
    note(
      played,
      complaints.filter((complaint) => !isLate(complaint)),
    )
    sums.schedules++
    sums.accepted += played.accepted.length
    sums.begun += played.begun.size
    sums.longestLag = Math.max(sums.longestLag, played.lag)
    for (const { answered } of [...played.own.requests, ...played.foreign.requests]) if (answered) sums.answered++
    sums.forced += played.report?.outcomes.filter(({ outcome }) => outcome !== 'closed').length ?? 0
  }

  const until = performance.now() + 1000 * options.seconds
  for (let next = 0; next < count && performance.now() < until; ) {
    // The kernel's tables are read only after some schedules, because each read takes time.
    const over: Played[] = []
    const end = Math.min(count, next + 20 * together)
    const lane = async (): Promise<void> => {
      while (next < end && performance.now() < until) {
        const own = seed + next++
        const played = await play(scheduleFrom(own, protocols), own, portside, foreigners)
        over.push(played)
        add(played)
      }
    }
    await Promise.all(Array.from({ length: together }, lane))
    // A closed socket disappears from the process a turn later.
    for (let i = 0; i < 10; i++) await new Promise((resolve) => void setImmediate(resolve))
    for (const [played, complaints] of leftInKernel(over)) note(played, complaints)
  }

  // While others run, a turn of the event loop takes long, and a close takes several. Alone, it must be in time.
  for (const { schedule, seed } of late.slice(0, AGAIN)) {
    const again = await play(schedule, seed, portside, foreigners)
    const complaints = judge(again).filter(isLate)
    sums.lateAlone += complaints.length
    note(again, complaints)
  }
  const closing = performance.now()
  while (openSockets().length > socketsBefore && performance.now() - closing < CLOSING) {
    await new Promise((resolve) => void setTimeout(resolve, 10))
  }
  return { ...sums, kinds, late: late.length, socketsBefore, socketsAfter: openSockets().length }
}

const isLate = ({ kind }: Complaint): boolean => kind === 'late'

const EMPTY: Omit<Schedule, 'protocol'> = {
  serves: 'echo',
  clients: [],
  closes: [{ after: 0, grace: 0, force: 'destroy' }],
  phase: 'timer',
  abort: null,
}
