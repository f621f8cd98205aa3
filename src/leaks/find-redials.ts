import { dueIn } from '../platform/node-internals.js'
import { clearTimeout, setTimeout, turn } from '../timers.js'
import type { Dials, FailedDial } from './dials.js'
import { howToClose } from './how-to-close.js'
import type { Owner } from './owner.js'
import { packageFrame } from './package-frame.js'
import type { SocketLeak } from './socket-leak.js'
import { framesOf, type Trace } from './stack.js'

/** A client that has no socket and will dial again. */
export interface Redial {
  readonly leak: SocketLeak
  readonly owner: Owner | undefined
  readonly trace: Trace
}

/**
 * Clients that dial again: one has done so after its owner had ended, or does so within the wait, and is about to do it once more.
 * Returns at once unless a timer is due within the wait.
 */
export async function findRedials(
  dials: Dials,
  isSuspect: (dial: FailedDial) => boolean,
  { wait, signal }: { wait: number; signal?: AbortSignal | undefined },
): Promise<Redial[]> {
  const suspects = [...dials.failed()].filter(isSuspect).map((dial) => new Suspect(dials, dial))
  if (suspects.length === 0) return []
  // A client without a pause dials in each turn.
  for (let turns = 0; turns < TURNS; turns++) await turn()
  const pause = (milliseconds: number) => new Promise((resolve) => void setTimeout(resolve, milliseconds))
  for (let left = wait; left > 0 && !signal?.aborted; ) {
    const due = suspects.filter(({ open }) => open).flatMap((suspect) => suspect.dueWithin(left))
    if (due.length === 0) break
    const next = Math.min(Math.max(Math.min(...due), 1), left)
    await pause(next)
    left -= next
    // What the timer has begun needs a few turns to fail.
    for (let turns = 0; turns < TURNS; turns++) await turn()
  }
  return suspects.flatMap((suspect) => suspect.redial())
}

const TURNS = 16

class Suspect {
  readonly #dials: Dials
  readonly #dial: FailedDial
  readonly #before: number

  constructor(dials: Dials, dial: FailedDial) {
    this.#dials = dials
    this.#dial = dial
    this.#before = dial.count
  }

  /** Nothing is known yet. */
  get open(): boolean {
    return this.#dialled === 0
  }

  /** After its owner had ended; and it has set a timer since. */
  get #dialledLate(): boolean {
    return this.#dial.late > 0 && this.#relevant().some(({ at }) => at >= this.#dial.at)
  }

  /** How often since the wait began. */
  get #dialled(): number {
    return this.#dial.count - this.#before
  }

  dueWithin(milliseconds: number): number[] {
    return this.#timers().filter((due) => due <= milliseconds)
  }

  /** Empty where it does not dial again. */
  redial(): Redial[] {
    const timers = this.#timers()
    const due = timers.length === 0 ? undefined : Math.min(...timers)
    // One that has a timer, or no pause, dials once more. Another one has finished.
    const again = due === undefined ? this.#dialled > 1 : this.#dialled > 0 || this.#dialledLate
    return again ? [describe(this.#dial, due)] : []
  }

  /** Milliseconds until each of its timers. */
  #timers(): number[] {
    const started = setTimeout(() => {}, 1)
    clearTimeout(started)
    return this.#relevant().map(({ resource }) => dueIn(resource, started))
  }

  /**
   * Of a package all timers but the clock of undici (https://github.com/nodejs/undici/blob/main/lib/util/timers.js): gRPC sets its
   * own before the dial fails, and unref'd. Of the user those that keep the process alive and were set after the failure: one
   * before is a time-out of the dial.
   */
  #relevant(): ReturnType<Dials['timersAfter']> {
    return this.#dials.timersAfter(this.#dial).filter(({ resource, trace, at }) => {
      const [innermost] = framesOf(trace)
      const name = innermost && packageFrame(innermost)?.name
      return name === undefined ? resource.hasRef() && at >= this.#dial.at : name !== 'undici'
    })
  }
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
    howToClose: howToClose({ kind: 'client', openedAt }) ?? 'the close function of the client that dials',
  }
  return { leak, owner, trace }
}
