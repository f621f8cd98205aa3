import { isDeepStrictEqual } from 'node:util'
import { isMainThread } from 'node:worker_threads'
import { readAhead } from '../read-ahead.js'
import { findAlive } from './alive.js'
import { type AliveBefore, aliveBefore, isMoreAlive } from './alive-before.js'
import type { Alive } from './alive-report.js'
import { annotate } from './annotations.js'
import { closeAll, unrefAll } from './close-leaked.js'
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

/** Settings that the entry for a runner gives to the check. */
interface CheckSettings {
  /** Whether the runner does not exit, or complains, while something is open. */
  readonly waits?: boolean
  /** Whether the runner ends the process after a failed test. Until then, its hooks may wait for sockets that the test has left open. */
  readonly closesAtOnce?: boolean
  /** Whether the runner shows the source line at the top of an error's stack. */
  readonly showsSource?: boolean
  /** Whether the runner marks that line on GitHub. */
  readonly marksSource?: boolean
  /** Fails a test that has ended. Returns false if the runner cannot. */
  readonly failEnded?: (owner: Owner, error: Error) => boolean
  /** The place of its options: `provide.portside`. */
  readonly of?: string
  /** Other option names that are valid there. */
  readonly more?: readonly string[]
  /** Whether to check an open socket at all. Default: all sockets. */
  readonly concerns?: (leak: Pick<SocketLeak, 'openedAt'>) => boolean
  /** The tracker's counter when the check began. Default: the current value. */
  readonly since?: number
  /** The objects that kept the process alive then. Default: those that keep it alive now. */
  readonly aliveBefore?: AliveBefore
  /** How many timers of the runner keep the process alive at the end of a file. Default: 0, which may cost a closer look. */
  readonly timersOfRunner?: () => number
  /** Named in the headline of a report: `the main process of Vitest`. */
  readonly place?: string
}

/** The sockets that a check is about: those of some owners, used after a count of the tracker's `activity`. */
interface Mine {
  readonly isMine: (owner: Owner | undefined) => boolean
  readonly since?: number
}

/**
 * The leak check of one file, or of the unit that a runner treats as a file. The entry begins a test, runs it and its hooks as its owner,
 * and ends it after the last hook. Sockets without a test, and sockets opened after the test had ended, are found when the file ends.
 */
export class LeakCheck {
  #options: LeakOptions = {}
  #tracker: Tracker | undefined
  #file: Owner | undefined
  /** Inodes of sockets that were open before, or were reported. */
  #baseline: Set<number> | undefined
  /** Reported sockets for which the runner would wait. At the end of the file they are closed, or with `mode: 'warn'` unref'd. */
  readonly #left: TrackedSocket[] = []
  /** The objects that kept the process alive before; undefined with `alive: 'off'`. */
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

  /** Uses these options from now on. The baseline stays that of the first call. */
  use(given: RunnerOptions | undefined, of = 'install()'): void {
    // install() does not take the other names.
    this.#options = readLeakOptions(given, of, of === this.#settings.of ? this.#settings.more : [])
    if (this.#options.mode === 'off') {
      // A tracker would do this, but this check has no tracker.
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

  /** The name is empty where the runner does not tell it. */
  beginTest(name: string, file = this.#file?.file): Owner | undefined {
    return this.#tracker && makeOwner(this.#tracker, 'test', name, file)
  }

  /**
   * The owner of sockets that a file opens outside of its tests. `undefined` if the runner does not know the file, or has only one: then a
   * report does not name it.
   */
  ofFile(file?: string): Owner | undefined {
    return this.#tracker && makeOwner(this.#tracker, 'file', file ?? 'this process', file)
  }

  /** The inodes of the sockets that are open now, for `endTest()`. Undefined if the options say not to ask the kernel. */
  openNow(): ReadonlySet<number> | undefined {
    return this.options.kernel === false ? undefined : new Set(inodesNow())
  }

  /** For a runner that cannot run a test as its owner: the owner of sockets that code without an owner opens. */
  ownUnowned(ownerNow: () => Owner | undefined): void {
    if (this.#tracker !== undefined) this.#tracker.ownerOtherwise = ownerNow
  }

  /** From here on, the calling code has this owner: for a runner that calls a test after its hooks, in the context that they have left. */
  enter(owner: Owner | undefined): void {
    this.#tracker?.enter(owner)
  }

  /** Runs an action as an owner; if `undefined`, without one, even if the caller has one. */
  run<T>(owner: Owner | undefined, action: () => T): T {
    return this.#tracker === undefined ? action() : this.#tracker.run(owner, action)
  }

  /**
   * Finds the sockets that the test has left open, and its fixtures, if they have owners of their own. Costs only a comparison if no socket
   * was opened or used since the test began. With `openBefore`, the inodes of sockets that were open when the test began, it asks the kernel.
   */
  async endTest(
    owner: Owner | undefined,
    fixtures: readonly Owner[] = [],
    openBefore?: ReadonlySet<number>,
  ): Promise<Error | undefined> {
    if (owner === undefined || this.#tracker === undefined || this.options.mode === 'off') return undefined
    await nextListen()
    const perTest = openBefore !== undefined || this.options.kernel === true
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
    const owners = new Set<Owner | undefined>([owner, ...fixtures])
    const isMine = (each: Owner | undefined): boolean => owners.has(each)
    return this.#told(await this.#find(owner, { isMine }, perTest ? (openBefore ?? this.#baseline) : undefined))
  }

  /** Runs a fixture that outlives the test which asks for it, and finds the sockets that it has left open when it is torn down. */
  async runFixture(name: string, fixture: () => Promise<unknown>): Promise<Error | undefined> {
    const [state, owner] = [this.#tracker, this.ofFile()]
    if (state === undefined || owner === undefined || this.options.mode === 'off') {
      await fixture()
      return undefined
    }
    owner.running = true
    try {
      await this.run(owner, fixture)
    } finally {
      owner.running = false
    }
    await nextListen()
    if (owner.begun === state.activity) return undefined
    const isMine = (each: Owner | undefined): boolean => each === owner
    const redials = await this.#redials((dial) => isMine(dial.owner))
    const found = await this.#find(owner, { isMine }, undefined)
    const told = redials.filter((redial) => !isAmong(redial, found))
    state.dials.settle(owner)
    return this.#told(found, told, [], `the fixture '${name}'`)
  }

  /** Finds open sockets of the file that no test was failed for, clients that reconnect, and what else keeps the process alive. */
  async endFile(): Promise<Error | undefined> {
    const [state, file] = [this.#tracker, this.#file]
    if (state === undefined || file === undefined) return undefined
    if (state.file === file) state.file = undefined
    if (this.options.mode === 'off') return undefined
    await nextListen()
    // First: a client that reconnects during this wait may succeed.
    const redials = await this.#redials(
      ({ owner, sequence }) =>
        owner !== undefined && (owner.kind === 'file' ? !owner.running : owner.ended) && sequence > file.begun,
    )
    const found = await this.#find(file, { isMine: (owner) => !owner?.running, since: file.begun }, this.#baseline)
    const ofFile = this.#failTests(redials.filter((redial) => !isAmong(redial, found)))
    const left = this.#left.splice(0)
    // Not before: other tests may use the sockets that one test has left open, and only that test fails.
    if (this.options.mode !== 'warn') await closeAll(left)
    // Not before a teardown that may wait for these sockets: the process would exit.
    else if (state.left !== undefined) state.left.push(...left)
    else await unrefAll(left)
    if (this.#closesAtEnd || this.options.close === true) {
      // Otherwise a client would keep the process alive by reconnecting.
      for (const owner of [...left.map((record) => state.ownerOf(record)), ...redials.map(ownerOf)]) {
        if (owner !== undefined) state.dials.stop(owner)
      }
    }
    for (const { owner } of redials) if (owner !== undefined) state.dials.settle(owner)
    state.dials.forget()
    return this.#told(found, ofFile, await this.#aliveNow(state))
  }

  async #find(owner: Owner, { isMine, since = 0 }: Mine, baseline: ReadonlySet<number> | undefined): Promise<Found> {
    const state = this.#tracker as Tracker
    const found = await findOpen({
      isSuspect: (record) => !state.isSettled(record) && state.lastUse(record) > since && isMine(state.ownerOf(record)),
      isMine,
      baseline,
      mayStay: (leak, owner) => this.#mayStay(leak, owner),
      hasRules: (owner) => this.#hasRules(owner),
      options: this.#closesAtOnce ? { ...this.options, close: true } : this.options,
    })
    owner.ended = true
    state.settle([...found.ignored, ...found.records])
    for (const { inode } of found.leaks) if (inode !== undefined) this.#baseline?.add(inode)
    if (this.#closesAtEnd) this.#left.push(...found.records)
    return found
  }

  /** Skips clients without an owner, which may be the runner's. */
  async #redials(isSuspect: Parameters<typeof lookForRedials>[0]): Promise<Redial[]> {
    const mayStay = (leak: SocketLeak, owner: Owner | undefined): boolean => this.#mayStay(leak, owner)
    const redials = await lookForRedials(isSuspect, mayStay, this.options)
    return redials.filter(({ leak, owner }) => !mayStay(leak, owner))
  }

  /** Fails the tests that left a client, if the runner can. Returns the other clients, which fail the file. */
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

  #errorFor(
    found: Found,
    redials: readonly Redial[],
    alive: readonly Alive[] = [],
    place = this.#settings.place,
  ): Error {
    const { mode = 'fail' } = this.options
    if (this.#settings.marksSource !== true && mode !== 'off')
      annotate([...found.leaks, ...redials.map(({ leak }) => leak)], mode)
    const framed = this.#settings.showsSource === true && mode !== 'warn'
    return located(errorFor(found, redials, { alive, framed }), place)
  }

  #told(
    found: Found,
    redials: readonly Redial[] = [],
    alive: readonly Alive[] = [],
    place?: string,
  ): Error | undefined {
    const leaks = found.leaks.length + redials.length
    if (leaks + alive.length === 0) return undefined
    const error = this.#errorFor(found, redials, alive, place)
    if (this.options.mode !== 'warn' && (leaks > 0 || this.options.alive === 'fail')) return error
    printReport(error.message)
    return undefined
  }

  /** Whether leaked sockets must not keep the process alive when the file ends, because the runner would wait for them. */
  get #closesAtEnd(): boolean {
    return this.options.close === undefined && this.#settings.waits === true
  }

  get #closesAtOnce(): boolean {
    const { close, mode } = this.options
    return close === undefined && this.#settings.closesAtOnce === true && mode !== 'warn'
  }

  /** Whether `#mayStay()` can be true at all. */
  #hasRules(owner: Owner | undefined): boolean {
    if (this.#settings.concerns !== undefined || (this.#tracker?.ignoredIn.size ?? 0) > 0) return true
    return [this.options.ignore, owner?.ignored, this.#file?.ignored].some(
      (rules) => rules !== undefined && rules.length > 0,
    )
  }

  /** By the rules of the configuration, of the file, and of the owner. */
  #mayStay(leak: SocketLeak, owner: Owner | undefined): boolean {
    if (this.#settings.concerns?.(leak) === false) return true
    const fits = (rules: 'all' | readonly LeakIgnore[] = []): boolean => rules === 'all' || isIgnored(leak, rules)
    if ([this.options.ignore, owner?.ignored, this.#file?.ignored].some((rules) => fits(rules))) return true
    // Rules of files that the runner had not named: they apply by the test's file, or else by the files on the stack.
    const isOf = (file: string): boolean =>
      leak.file === undefined ? leak.openedAt.some((frame) => frame.file === file) : leak.file === file
    return [...(this.#tracker?.ignoredIn ?? [])].some(([file, rules]) => isOf(file) && fits(rules))
  }
}

const ownerOf = ({ owner }: Redial): Owner | undefined => owner

/** Whether the client has connected in the meantime, and is reported as an open socket. */
function isAmong({ leak: { remote, test } }: Redial, { leaks }: Found): boolean {
  return leaks.some((leak) => leak.kind === 'client' && leak.test === test && isDeepStrictEqual(leak.remote, remote))
}

/** Adds the place to the first line of the error's message and stack. */
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
 * The kernel lists sockets by process. In a worker thread of a runner, the sockets of other threads would count as leaks, so the kernel is
 * asked only with `kernel: true`.
 */
const seesOnlyItsOwn: boolean = isMainThread

export type { LeakOptions, RunnerOptions }
export { INSTEAD, isOpenedBy, readLeakOptions }
