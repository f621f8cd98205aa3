import { isMainThread } from 'node:worker_threads'
import { checkBoolean } from '../argument.js'
import { readOptions } from '../options.js'
import { nextTick } from '../timers.js'
import { closeLeaked } from './close-leaked.js'
import { errorFor, findOpen } from './find-open.js'
import { isIgnored } from './ignore.js'
import { checkLeakOptions, checkMode, type LeakIgnore, type LeakOptions } from './options.js'
import type { Owner } from './owner.js'
import { printable } from './report.js'
import { inodesNow } from './snapshot.js'
import type { SocketLeak } from './socket-leak.js'
import type { TrackedSocket } from './tracked-socket.js'
import { type Tracker, tracker } from './tracker.js'
import { makeOwner } from './tracking.js'

/** What a test runner's entry takes. */
export interface RunnerOptions {
  /** The leak check. Default: every leak fails its test. */
  leaks?: LeakOptions | LeakOptions['mode']
  /** Whether the run says once, on the standard error output, that the check is on. Default: `true`. */
  announce?: boolean
}

/** What an entry says of itself. */
interface CheckSettings {
  /** The runner does not end, or complains, as long as something is open. */
  readonly waits?: boolean
  /** Where its options stand: `provide.portside`. */
  readonly of?: string
  /** What else may stand there. */
  readonly more?: readonly string[]
  /** Whether an open socket is its business at all. Default: all are. */
  readonly concerns?: (leak: SocketLeak) => boolean
  /** What the tracker had counted when it began. Default: what it has counted now. */
  readonly since?: number
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
    if (this.#options.mode === 'off') return
    if (this.#tracker === undefined) {
      this.#tracker = tracker()
      const { since = this.#tracker.activity } = this.#settings
      this.#file = { ...makeOwner(this.#tracker, 'file', this.#path ?? 'this process', this.#path), begun: since }
      if (this.#path !== undefined) this.#tracker.file = this.#file
    }
    if (this.#options.kernel ?? seesOnlyItsOwn) this.#baseline ??= new Set(inodesNow())
    else this.#baseline = undefined
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

  /** What the test has left open. Costs nothing but a comparison where nobody has opened or used a socket since it began. */
  async endTest(owner: Owner | undefined): Promise<Error | undefined> {
    if (owner === undefined || this.#tracker === undefined || this.options.mode === 'off') return undefined
    // With a host, `listen()` looks the address up first and opens its socket in the next tick.
    await new Promise<void>((resolve) => nextTick(resolve))
    const perTest = this.options.kernel === true
    if (owner.ignored === 'all' || this.#file?.ignored === 'all') {
      owner.ended = true
      return undefined
    }
    if (owner.begun === this.#tracker.activity && !perTest) {
      owner.ended = true
      return undefined
    }
    const state = this.#tracker
    return this.#check(owner, (record) => state.ownerOf(record) === owner, perTest ? this.#baseline : undefined)
  }

  /** What has been left open in the file, and no test was told of. */
  async endFile(): Promise<Error | undefined> {
    const [state, file] = [this.#tracker, this.#file]
    if (state === undefined || file === undefined) return undefined
    if (state.file === file) state.file = undefined
    if (this.options.mode === 'off') return undefined
    const error = await this.#check(file, (record) => state.lastUse(record) > file.begun, this.#baseline)
    // Not before: what one test has left open others may use, and only the one that did so fails.
    for (const record of this.#left.splice(0)) closeLeaked(record)
    return error
  }

  async #check(
    owner: Owner,
    isMine: (record: TrackedSocket) => boolean,
    baseline: ReadonlySet<number> | undefined,
  ): Promise<Error | undefined> {
    const state = this.#tracker as Tracker
    const found = await findOpen({
      isSuspect: (record) => !state.isSettled(record) && isMine(record),
      baseline,
      mayStay: (leak, record) => this.#mayStay(leak, record && state.ownerOf(record)),
      options: this.options,
    })
    owner.ended = true
    state.settle(found.ignored)
    if (found.leaks.length === 0) return undefined
    for (const { inode } of found.leaks) if (inode !== undefined) this.#baseline?.add(inode)
    if (this.options.close === undefined && this.#settings.waits) this.#left.push(...found.records)
    const error = located(errorFor(found), this.#settings.place)
    if (this.options.mode !== 'warn') return error
    console.warn(printable(error.message))
    return undefined
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

/** The same error, with the place in the first line of its message and of its stack. */
function located(error: Error, place: string | undefined): Error {
  if (place === undefined) return error
  for (const name of ['stack', 'message'] as const) {
    const value = error[name]?.replace(' left open.', ` left open in ${place}.`)
    Object.defineProperty(error, name, { value, configurable: true, writable: true })
  }
  return error
}

/**
 * Whether the sockets that the kernel lists for this process are those of this thread. It lists them by process, so that in
 * a worker thread of a runner those of the other threads would count as leaks, too: `kernel: true` asks for that.
 */
const seesOnlyItsOwn: boolean = isMainThread

/** Reads what a runner's entry was given, as `of`; `more` is what else may stand there. The environment has the last word. */
export function readLeakOptions(
  given: RunnerOptions | undefined,
  of: string,
  more: readonly string[] = [],
): LeakOptions {
  const { leaks, announce } = readOptions(given, {
    of,
    names: ['leaks', 'announce', ...more],
    example: "{ leaks: 'warn' }",
    instead: INSTEAD,
  })
  checkBoolean('announce', announce)
  const options = typeof leaks === 'string' ? { mode: leaks } : leaks
  const read = checkLeakOptions(options, `${of}.leaks`)
  const mode = process.env[VARIABLE] as LeakOptions['mode']
  if (mode === undefined || (mode as string) === '') return read
  checkMode(mode, VARIABLE)
  return { ...read, mode }
}

const VARIABLE = 'PORTSIDE_LEAKS'

/** Options of the check that were meant to stand one level deeper. */
const INSTEAD = Object.fromEntries(
  ['mode', 'ignore', 'idlePools', 'kernel', 'close', 'leak'].map((name) => [
    name,
    name === 'leak' ? 'write leaks' : `put it into leaks: { leaks: { ${name}: ... } }`,
  ]),
)

export type { LeakOptions }
