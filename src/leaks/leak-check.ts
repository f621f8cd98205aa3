import { isDeepStrictEqual } from 'node:util'
import { isMainThread } from 'node:worker_threads'
import { readAhead } from '../read-ahead.js'
import { findAlive } from './alive.js'
import { type AliveBefore, aliveBefore, isMoreAlive } from './alive-before.js'
import type { Alive } from './alive-report.js'
import { annotate } from './annotations.js'
import { closeLeaked } from './close-leaked.js'
import type { FailedDial } from './dials.js'
import { errorFor, type Found, findOpen, lookForRedials, NOTHING } from './find-open.js'
import type { Redial } from './find-redials.js'
import { nextListen } from './grace.js'
import { isIgnored } from './ignore.js'
import type { LeakIgnore, LeakOptions } from './options.js'
import type { Owner } from './owner.js'
import { isOpenedBy } from './package-frame.js'
import { printReport } from './report.js'
import { INSTEAD, type RunnerOptions, readLeakOptions } from './runner-options.js'
import { inodesNow } from './snapshot.js'
import type { SocketLeak } from './socket-leak.js'
import type { TrackedSocket } from './tracked-socket.js'
import { type Tracker, tracker } from './tracker.js'
import { makeOwner } from './tracking.js'

/** What an entry says of itself. */
interface CheckSettings {
  /** The runner does not end, or complains, as long as something is open. */
  readonly waits?: boolean
  /** The runner ends the process after a test that fails, and what its hooks close until then may wait for what the test has left open. */
  readonly closesAtOnce?: boolean
  /** The runner shows the source line at the top of an error's stack. */
  readonly showsSource?: boolean
  /** The runner marks that line on GitHub. */
  readonly marksSource?: boolean
  /** Fails a test that has ended; false where the runner cannot. */
  readonly failEnded?: (owner: Owner, error: Error) => boolean
  /** Where its options stand: `provide.portside`. */
  readonly of?: string
  /** What else may stand there. */
  readonly more?: readonly string[]
  /** Whether an open socket is its business at all. Default: all are. */
  readonly concerns?: (leak: Pick<SocketLeak, 'openedAt'>) => boolean
  /** What the tracker had counted when it began. Default: what it has counted now. */
  readonly since?: number
  /** What kept the process alive then. Default: what does now. */
  readonly aliveBefore?: AliveBefore
  /** How many timers of the runner keep the process alive when it asks. Default: 0, which may cost a look. */
  readonly timersOfRunner?: () => number
  /** Said in the headline of a report: `the main process of Vitest`. */
  readonly place?: string
}

/**
 * The leak check of one file, or of what a runner counts as one. A runner begins a test, runs it and its hooks as that
 * test's, and ends it after the last of them; what is nobody's, and what was opened too late, is found when the file ends.
 */
export class LeakCheck {
  #options: LeakOptions = {}
  #tracker: Tracker | undefined
  #file: Owner | undefined
  /** Sockets, by inode, that were there before, or that were told of. */
  #baseline: Set<number> | undefined
  /** What was told of and is left for the end of the file, where the runner waits for what is open. */
  readonly #left: TrackedSocket[] = []
  /** What kept the process alive before, where it is asked what else does. */
  #alive: AliveBefore | undefined
  readonly #path: string | undefined
  readonly #settings: CheckSettings

  constructor(file: string | undefined, given: RunnerOptions | undefined, settings: CheckSettings = {}) {
    this.#path = file
    this.#settings = settings
    this.use(given, settings.of)
  }

  get options(): LeakOptions {
    return this.#options
  }

  /** Checks by these options from here on. What was open before the first ones is no leak of these, either. */
  use(given: RunnerOptions | undefined, of = 'install()'): void {
    // A call of install() has no names but its own.
    this.#options = readLeakOptions(given, of, of === this.#settings.of ? this.#settings.more : [])
    if (this.#options.mode === 'off') {
      // No tracker does it.
      readAhead()
      return
    }
    if (this.#tracker === undefined) {
      this.#tracker = tracker()
      const { since = this.#tracker.activity } = this.#settings
      this.#file = { ...makeOwner(this.#tracker, 'file', this.#path ?? 'this process', this.#path), begun: since }
      if (this.#path !== undefined) this.#tracker.file = this.#file
    }
    if (this.#options.kernel ?? seesOnlyItsOwn) this.#baseline ??= new Set(inodesNow())
    else this.#baseline = undefined
    const { alive = this.#settings.waits ? 'warn' : 'off' } = this.#options
    this.#alive =
      alive === 'off' ? undefined : (this.#alive ?? this.#settings.aliveBefore ?? aliveBefore(this.#tracker.workers))
  }

  beginTest(name: string, file = this.#file?.file): Owner | undefined {
    return this.#tracker && makeOwner(this.#tracker, 'test', name, file)
  }

  /** For what a file does outside of its tests, where a runner has several files in one check. */
  ofFile(file: string | undefined): Owner | undefined {
    if (this.#tracker === undefined || file === undefined) return undefined
    return makeOwner(this.#tracker, 'file', file, file)
  }

  /** Without an owner it is nobody's, whoever has called. */
  run<T>(owner: Owner | undefined, action: () => T): T {
    return this.#tracker === undefined ? action() : this.#tracker.run(owner, action)
  }

  /** What the test has left open, and its fixtures, if they have owners of their own. Costs nothing but a comparison where nobody has opened or used a socket since it began. */
  async endTest(owner: Owner | undefined, fixtures: readonly Owner[] = []): Promise<Error | undefined> {
    if (owner === undefined || this.#tracker === undefined || this.options.mode === 'off') return undefined
    await nextListen()
    const perTest = this.options.kernel === true
    for (const fixture of fixtures) {
      Object.assign(fixture, { kind: 'test', name: owner.name, ended: true } satisfies Partial<Owner>)
    }
    if (owner.ignored === 'all' || this.#file?.ignored === 'all') {
      owner.ended = true
      return undefined
    }
    if (owner.begun === this.#tracker.activity && !perTest) {
      owner.ended = true
      return undefined
    }
    const [state, owners] = [this.#tracker, new Set<Owner | undefined>([owner, ...fixtures])]
    return this.#check(owner, (record) => owners.has(state.ownerOf(record)), perTest ? this.#baseline : undefined)
  }

  /** What has been left open in the file, and no test was told of; clients that dial again; what else keeps the process alive. */
  async endFile(): Promise<Error | undefined> {
    const [state, file] = [this.#tracker, this.#file]
    if (state === undefined || file === undefined) return undefined
    if (state.file === file) state.file = undefined
    if (this.options.mode === 'off') return undefined
    await nextListen()
    // First: what dials again while it is waited for may connect.
    const redials = await this.#redials(file)
    const found = await this.#find(file, (record) => state.lastUse(record) > file.begun, this.#baseline)
    const ofFile = this.#failTests(redials.filter((redial) => !isAmong(redial, found)))
    const left = this.#left.splice(0)
    // Not before: what one test has left open others may use, and only the one that did so fails.
    for (const record of left) closeLeaked(record)
    if (this.#closesAtEnd || this.options.close === true) {
      // A client whose connection was closed for it would dial again.
      for (const owner of [...left.map((record) => state.ownerOf(record)), ...redials.map(ownerOf)]) {
        if (owner !== undefined) state.dials.stop(owner)
      }
    }
    for (const { owner } of redials) if (owner !== undefined) state.dials.settle(owner)
    state.dials.forget()
    return this.#told(found, ofFile, await this.#aliveNow(state))
  }

  async #check(
    owner: Owner,
    isMine: (record: TrackedSocket) => boolean,
    baseline: ReadonlySet<number> | undefined,
  ): Promise<Error | undefined> {
    return this.#told(await this.#find(owner, isMine, baseline))
  }

  async #find(
    owner: Owner,
    isMine: (record: TrackedSocket) => boolean,
    baseline: ReadonlySet<number> | undefined,
  ): Promise<Found> {
    const state = this.#tracker as Tracker
    const found = await findOpen({
      isSuspect: (record) => !state.isSettled(record) && isMine(record),
      baseline,
      mayStay: (leak, record) => this.#mayStay(leak, record && state.ownerOf(record)),
      options: this.#closesAtOnce ? { ...this.options, close: true } : this.options,
    })
    owner.ended = true
    state.settle(found.ignored)
    for (const { inode } of found.leaks) if (inode !== undefined) this.#baseline?.add(inode)
    if (this.#closesAtEnd) this.#left.push(...found.records)
    return found
  }

  /** What is nobody's is not asked for: it may be the runner's. */
  async #redials(file: Owner): Promise<Redial[]> {
    const isSuspect = ({ owner, sequence }: Pick<FailedDial, 'owner' | 'sequence'>): boolean =>
      owner !== undefined && (owner.kind === 'file' || owner.ended) && sequence > file.begun
    const redials = await lookForRedials(isSuspect, this.options)
    return redials.filter(({ leak, owner }) => !this.#mayStay(leak, owner))
  }

  /** Fails the tests that left a client, where the runner can; the others are the file's. */
  #failTests(redials: readonly Redial[]): Redial[] {
    if (this.options.mode === 'warn') return [...redials]
    return [...new Set(redials.map(ownerOf))].flatMap((owner) => {
      const own = redials.filter((redial) => redial.owner === owner)
      return owner?.kind === 'test' && this.#settings.failEnded?.(owner, this.#errorFor(NOTHING, own)) ? [] : own
    })
  }

  async #aliveNow(state: Tracker): Promise<Alive[]> {
    const { concerns = () => true, timersOfRunner = () => 0 } = this.#settings
    if (this.#alive === undefined || !isMoreAlive(this.#alive, state.workers, timersOfRunner())) return []
    return findAlive(state, this.#alive).filter(({ frames }) => concerns({ openedAt: frames }))
  }

  #errorFor(found: Found, redials: readonly Redial[], alive: readonly Alive[] = []): Error {
    const { mode = 'fail' } = this.options
    if (this.#settings.marksSource !== true && mode !== 'off')
      annotate([...found.leaks, ...redials.map(({ leak }) => leak)], mode)
    const framed = this.#settings.showsSource === true && mode !== 'warn'
    return located(errorFor(found, redials, { alive, framed }), this.#settings.place)
  }

  #told(found: Found, redials: readonly Redial[] = [], alive: readonly Alive[] = []): Error | undefined {
    const leaks = found.leaks.length + redials.length
    if (leaks + alive.length === 0) return undefined
    const error = this.#errorFor(found, redials, alive)
    if (this.options.mode !== 'warn' && (leaks > 0 || this.options.alive === 'fail')) return error
    printReport(error.message)
    return undefined
  }

  /** What leaked is closed when the file ends: the runner would wait for it. */
  get #closesAtEnd(): boolean {
    return this.options.close === undefined && this.#settings.waits === true
  }

  get #closesAtOnce(): boolean {
    const { close, mode } = this.options
    return close === undefined && this.#settings.closesAtOnce === true && mode !== 'warn'
  }

  /** By the rules of the configuration, of the file, and of whoever has opened it. */
  #mayStay(leak: SocketLeak, owner: Owner | undefined): boolean {
    if (this.#settings.concerns?.(leak) === false) return true
    const fits = (rules: 'all' | readonly LeakIgnore[] = []): boolean => rules === 'all' || isIgnored(leak, rules)
    if ([this.options.ignore, owner?.ignored, this.#file?.ignored].some((rules) => fits(rules))) return true
    // Of files that nobody had named when they asked: by the test's file, or else by who is on the stack.
    const isOf = (file: string): boolean =>
      leak.file === undefined ? leak.openedAt.some((frame) => frame.file === file) : leak.file === file
    return [...(this.#tracker?.ignoredIn ?? [])].some(([file, rules]) => isOf(file) && fits(rules))
  }
}

const ownerOf = ({ owner }: Redial): Owner | undefined => owner

/** Whether the client has connected meanwhile, and is reported as an open socket. */
function isAmong({ leak: { remote, test } }: Redial, { leaks }: Found): boolean {
  return leaks.some((leak) => leak.kind === 'client' && leak.test === test && isDeepStrictEqual(leak.remote, remote))
}

/** The same error, with the place in the first line of its message and of its stack. */
function located(error: Error, place: string | undefined): Error {
  if (place === undefined) return error
  for (const name of ['stack', 'message'] as const) {
    const value = error[name]
      ?.replace(' left open.', ` left open in ${place}.`)
      .replace('portside: this process', `portside: ${place}`)
    Object.defineProperty(error, name, { value, configurable: true, writable: true })
  }
  return error
}

/**
 * Whether the sockets that the kernel lists for this process are those of this thread. It lists them by process, so that in
 * a worker thread of a runner those of the other threads would count as leaks, too: `kernel: true` asks for that.
 */
const seesOnlyItsOwn: boolean = isMainThread

export type { LeakOptions, RunnerOptions }
export { INSTEAD, isOpenedBy, readLeakOptions }
