import { periodOf } from '../platform/active-resources.js'
import { dueIn } from '../platform/node-internals.js'
import { clearTimeout, now, setTimeout, turn } from '../timers.js'
import type { Dials, FailedDial } from './dials.js'
import { TURNS } from './grace.js'
import { howToClose } from './how-to-close.js'
import type { Owner } from './owner.js'
import { packageFrame } from './package-frame.js'
import type { SocketLeak } from './socket-leak.js'
import { framesOf } from './stack.js'
import type { Trace } from './trace.js'

/** A client that has no socket and will reconnect. */
export interface Redial {
  readonly leak: SocketLeak
  readonly owner: Owner | undefined
  readonly trace: Trace
}

interface Wait {
  readonly mayStay: (leak: SocketLeak, owner: Owner | undefined) => boolean
  readonly wait: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Finds clients that reconnected after their owner had ended. Also finds clients that reconnect within the wait and are about to do it
 * once more. Returns at once unless a timer is due within the wait. Skips clients that may stay.
 */
export async function findRedials(
  dials: Dials,
  isSuspect: (dial: FailedDial) => boolean,
  { mayStay, wait, signal }: Wait,
): Promise<Redial[]> {
  const suspects = [...dials.failed()]
    .filter((dial) => isSuspect(dial) && !mayStay(describe(dial, undefined).leak, dial.owner))
    .map((dial) => new Suspect(dials, dial))
  if (suspects.length === 0) return []
  // A client without a pause connects in each turn.
  for (let turns = 0; turns < TURNS; turns++) await turn()
  const pause = (milliseconds: number) => new Promise((resolve) => void setTimeout(resolve, milliseconds))
  for (let left = wait; left > 0 && !signal?.aborted; ) {
    const due = suspects.filter(({ open }) => open).flatMap((suspect) => suspect.dueWithin(left))
    if (due.length === 0) break
    const next = Math.min(Math.max(Math.min(...due), 1), left)
    await pause(next)
    left -= next
    // A connect that the timer has begun needs a few turns to fail.
    for (let turns = 0; turns < TURNS; turns++) await turn()
  }
  return suspects.flatMap((suspect) => suspect.redial())
}

class Suspect {
  readonly #dials: Dials
  readonly #dial: FailedDial
  readonly #before: number

  constructor(dials: Dials, dial: FailedDial) {
    this.#dials = dials
    this.#dial = dial
    this.#before = dial.count
  }

  /** Whether it is still undecided: it has not reconnected so far, or may have stopped. */
  get open(): boolean {
    return !this.#reconnects(this.#next())
  }

  /** Milliseconds until it may reconnect, by a timer or by the interval of its earlier attempts. */
  dueWithin(milliseconds: number): number[] {
    const { at, gap } = this.#dial
    const next = gap === undefined ? [] : [at + gap * LATENESS - now()].filter((due) => due > 0)
    return [...dueTimes(this.#next()), ...dueTimes(this.#intervals()), ...next].filter((due) => due <= milliseconds)
  }

  /** Empty if it does not reconnect. */
  redial(): Redial[] {
    const next = this.#next()
    if (!this.#reconnects(next)) return []
    const due = dueTimes(next.length > 0 ? next : this.#intervals())
    return [describe(this.#dial, due.length === 0 ? undefined : Math.min(...due))]
  }

  /** A client that has connected once and has no timer may have stopped. */
  #reconnects(next: Timers): boolean {
    const { count, late, at } = this.#dial
    const dialled = count - this.#before
    if (dialled > 1) return true
    return dialled === 1 ? next.length > 0 : late > 0 && next.some((timer) => timer.at >= at)
  }

  /**
   * The timers that may connect next, set since the last attempt began. For a package, all timers except the clock of undici
   * (https://github.com/nodejs/undici/blob/main/lib/util/timers.js). They include a timer that gRPC sets before the attempt
   * fails, and unrefs. For the user's code, timers that keep the process alive and were set after the failure: an earlier timer is a timeout
   * of the attempt.
   */
  #next(): Timers {
    return this.#dials.timersOf(this.#dial.owner).filter(({ resource, trace, at, sequence }) => {
      if (sequence < this.#dial.sequence) return false
      const [innermost] = framesOf(trace)
      const name = innermost && packageFrame(innermost)?.name
      return name === undefined ? resource.hasRef() && at >= this.#dial.at : name !== 'undici'
    })
  }

  /** An interval may be the timer that connects, no matter when it was set. */
  #intervals(): Timers {
    return this.#dials.timersOf(this.#dial.owner).filter(({ resource }) => periodOf(resource).every !== undefined)
  }
}

type Timers = ReturnType<Dials['timersOf']>

/** The factor by which the next pause may be longer than the last. */
const LATENESS = 1.5

function dueTimes(timers: Timers): number[] {
  const started = setTimeout(() => {}, 1)
  clearTimeout(started)
  return timers.map(({ resource }) => dueIn(resource, started))
}

function describe({ owner, endpoint, trace, count, answer }: FailedDial, due: number | undefined): Redial {
  const openedAt = framesOf(trace)
  const leak: SocketLeak = {
    kind: typeof endpoint === 'string' && /[/\\]/.test(endpoint) ? 'unix' : 'client',
    remote: endpoint,
    openedAt,
    redials: { failed: count, answer, due: due === undefined ? undefined : Math.max(0, Math.round(due)) },
    test: owner?.kind === 'test' ? owner.name : undefined,
    file: owner?.file,
    howToClose: howToClose({ kind: 'client', openedAt }) ?? 'clearTimeout() for its next attempt',
  }
  return { leak, owner, trace }
}
