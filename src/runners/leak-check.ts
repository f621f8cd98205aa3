import { closeSocket, errorFor, findOpen, isOnlyThread } from '../leaks/detector.js'
import { checkLeakOptions, type LeakIgnore, type LeakOptions } from '../leaks/options.js'
import type { Owner } from '../leaks/owner.js'
import { inodesNow } from '../leaks/snapshot.js'
import type { TrackedSocket } from '../leaks/tracked-socket.js'
import { type Tracker, tracker } from '../leaks/tracker.js'
import { makeOwner } from '../leaks/tracking.js'

/** What a test runner's entry takes. */
export interface RunnerOptions {
  /** The leak check. Default: every leak fails its test. */
  leaks?: LeakOptions | LeakOptions['mode']
}

/**
 * The leak check of one file, or of what a runner counts as one. A runner begins a test, runs it and its hooks as that
 * test's, and ends it after the last of them; what is nobody's, and what was opened too late, is found when the file ends.
 */
export class LeakCheck {
  readonly options: LeakOptions
  readonly #tracker: Tracker | undefined
  readonly #file: Owner | undefined
  readonly #baseline: ReadonlySet<number> | undefined

  /** What was told of and is left for the end of the file, where the runner waits for what is open. */
  readonly #left: TrackedSocket[] | undefined

  /** `waits`: the runner does not end, or complains, as long as something is open. */
  constructor(file: string | undefined, given: RunnerOptions | undefined, { waits = false } = {}) {
    this.options = readOptions(given)
    if (this.options.mode === 'off') return
    if (this.options.close === undefined && waits) this.#left = []
    this.#tracker = tracker()
    this.#file = makeOwner(this.#tracker, 'file', file ?? 'this process', file)
    if (file !== undefined) this.#tracker.file = this.#file
    // Of other threads, too: only who asks for it is told of those.
    if (this.options.kernel ?? isOnlyThread) this.#baseline = inodesNow()
  }

  beginTest(name: string, file = this.#file?.file): Owner | undefined {
    return this.#tracker && makeOwner(this.#tracker, 'test', name, file)
  }

  run<T>(owner: Owner | undefined, action: () => T): T {
    return owner === undefined || this.#tracker === undefined ? action() : this.#tracker.run(owner, action)
  }

  /** What the test has left open. Costs nothing but a comparison where nobody has opened or used a socket since it began. */
  endTest(owner: Owner | undefined): Promise<Error | undefined> | undefined {
    if (owner === undefined || this.#tracker === undefined) return undefined
    const perTest = this.options.kernel === true
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
    const error = await this.#check(file, (record) => record.sequence > file.begun, this.#baseline)
    // Not before: what one test has left open others may use, and only the one that did so fails.
    for (const record of this.#left?.splice(0) ?? []) closeSocket(record)
    return error
  }

  async #check(
    owner: Owner,
    isMine: (record: TrackedSocket) => boolean,
    baseline: ReadonlySet<number> | undefined,
  ): Promise<Error | undefined> {
    const rules = this.#rulesFor(owner)
    const mode = rules === 'all' ? 'off' : (this.options.mode ?? 'fail')
    const filter = (record: TrackedSocket): boolean => !record.reported && isMine(record)
    const found = await findOpen(filter, baseline, { ...this.options, ignore: rules === 'all' ? [] : rules })
    owner.ended = true
    // What a test may leave open, its file may not be told of.
    for (const record of found.ignored) record.reported = true
    if (mode === 'off') for (const record of found.records) record.reported = true
    if (mode === 'off' || found.leaks.length === 0) return undefined
    this.#left?.push(...found.records)
    const error = errorFor(found)
    if (mode === 'fail') return error
    console.warn(error.message)
    return undefined
  }

  #rulesFor(owner: Owner): 'all' | readonly LeakIgnore[] {
    const ofFile = owner.file === undefined ? undefined : this.#tracker?.ignoredIn.get(owner.file)
    const all = [this.options.ignore, owner.ignored, this.#file?.ignored, ofFile].filter((rules) => rules !== undefined)
    return all.includes('all') ? 'all' : (all.flat() as LeakIgnore[])
  }
}

/** The environment has the last word: `PORTSIDE_LEAKS=warn`. */
function readOptions(given: RunnerOptions | undefined): LeakOptions {
  const leaks = given?.leaks
  const options = typeof leaks === 'string' ? { mode: leaks } : (leaks ?? {})
  const mode = process.env.PORTSIDE_LEAKS as LeakOptions['mode']
  return checkLeakOptions(mode === undefined || (mode as string) === '' ? options : { ...options, mode })
}
