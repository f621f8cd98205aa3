import { fileOf } from '../caller.js'
import { dueIn } from '../platform/node-internals.js'
import { clearTimeout, setTimeout, turn } from '../timers.js'
import type { Dials, FailedDial } from './dials.js'
import type { Owner } from './owner.js'
import { packageOf, packagesOf } from './packages.js'
import type { SocketLeak } from './socket-leak.js'
import { framesOf, type Trace } from './stack.js'

/** A client that has no socket and will dial again. */
export interface Redial {
  readonly leak: SocketLeak
  readonly owner: Owner | undefined
  readonly trace: Trace
}

/**
 * Clients that dial again. One has done so after its owner had ended, does so within the wait, or waits longer and is a package
 * that has set a timer after its dial failed. Returns at once unless a timer is due within the wait.
 */
export async function findRedials(
  dials: Dials,
  isSuspect: (dial: FailedDial) => boolean,
  { wait, signal }: { wait: number; signal?: AbortSignal | undefined },
): Promise<Redial[]> {
  const suspects = [...dials.failed()].filter(isSuspect).map((dial) => new Suspect(dials, dial))
  if (suspects.length === 0) return []
  // A client without a pause dials in each turn.
  for (let turns = 0; turns < TURNS && suspects.some(({ open }) => open); turns++) await turn()
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
  readonly #packages: ReadonlySet<string>

  constructor(dials: Dials, dial: FailedDial) {
    this.#dials = dials
    this.#dial = dial
    this.#before = dial.count
    this.#packages = packagesOf(dial.trace)
  }

  /** Nothing is known yet. */
  get open(): boolean {
    return !this.#hasDialled
  }

  get #hasDialled(): boolean {
    return this.#dial.count > this.#before
  }

  dueWithin(milliseconds: number): number[] {
    return this.#timers().filter((due) => due <= milliseconds)
  }

  /** Empty where it does not dial again. */
  redial(): Redial[] {
    const timers = this.#timers()
    const due = timers.length === 0 ? undefined : Math.min(...timers)
    // It has a timer still, set after it had dialled in the time of others.
    const waits = due !== undefined && (this.#dial.late > 0 || this.#ofItsPackage())
    return this.#hasDialled || waits ? [describe(this.#dial, due)] : []
  }

  /** Milliseconds until each of its timers. */
  #timers(): number[] {
    const started = setTimeout(() => {}, 1)
    clearTimeout(started)
    return this.#relevant().map(({ resource }) => dueIn(resource, started))
  }

  /** Nobody waits for a timer that keeps nothing alive, unless a package has set it that may dial then. */
  #relevant(): ReturnType<Dials['timersAfter']> {
    return this.#dials.timersAfter(this.#dial).filter(({ resource, trace }) => {
      const name = packageOf(fileOf(trace[0] ?? '') ?? '')
      // The clock of all its time-outs: https://github.com/nodejs/undici/blob/main/lib/util/timers.js
      return name === undefined ? resource.hasRef() : name !== 'undici'
    })
  }

  #ofItsPackage(): boolean {
    return this.#relevant().some(({ trace }) => this.#packages.has(packageOf(fileOf(trace[0] ?? '') ?? '') ?? ''))
  }
}

function describe({ owner, endpoint, trace, count, answer }: FailedDial, due: number | undefined): Redial {
  const leak: SocketLeak = {
    kind: typeof endpoint === 'string' && /[/\\]/.test(endpoint) ? 'unix' : 'client',
    remote: endpoint,
    openedAt: framesOf(trace),
    redials: { failed: count, answer, due: due === undefined ? undefined : Math.max(0, Math.round(due)) },
    test: owner?.kind === 'test' ? owner.name : undefined,
    file: owner?.file,
    howToClose: 'the close function of the client that dials',
  }
  return { leak, owner, trace }
}
