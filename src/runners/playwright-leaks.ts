import type { TestInfo } from '@playwright/test'
import { isOpenedBy, LeakCheck, type LeakOptions, type RunnerOptions } from '../leaks/leak-check.js'
import { printable } from '../leaks/main-process.js'
import { patch } from '../platform/patches.js'
import { processState } from '../process-state.js'
import { announce, printLine } from './announcement.js'
import { framesOnly } from './frames-only.js'

type Owner = NonNullable<ReturnType<LeakCheck['beginTest']>>

/**
 * The option `leaks`, for `use` in the configuration of Playwright and `test.use()` in a file.
 * @experimental
 */
export interface PlaywrightLeakOptions extends LeakOptions {
  /**
   * Whether the run says once, on the standard error output, that the check is on.
   * @default true
   */
  announce?: boolean
}

/** The leak check of a process that runs tests of several files, one after another. */
export const playwrightCheck = (): PlaywrightCheck => processState('runners.playwright', () => new PlaywrightCheck())

export class PlaywrightCheck {
  readonly #check = new LeakCheck(undefined, undefined, {
    of: 'use',
    showsSource: true,
    closesAtOnce: true,
    // Playwright keeps connections and browsers for the next test, and closes them when the process ends.
    concerns: ({ openedAt }) => !isOpenedBy(openedAt, PLAYWRIGHT),
  })
  /** The last options that did not turn the check off. They apply at the end of the process. */
  #options: RunnerOptions | undefined
  readonly #tests = new WeakMap<object, RunningTest>()
  readonly #followed = new WeakSet<object>()

  beginTest(info: TestInfo, given: PlaywrightLeakOptions | LeakOptions['mode'] | undefined): void {
    const options = optionsOf(given)
    this.#check.use(options, 'use')
    announce(this.#check.options, options.announce, process.ppid)
    this.#follow(Object.getPrototypeOf(info))
    const { owner } = this.#testOf(info)
    if (this.#check.options.mode !== 'off') this.#options = options
    else if (owner !== undefined) owner.ignored = 'all'
  }

  async endTest(info: TestInfo): Promise<void> {
    const { owner, fixtures } = this.#testOf(info)
    // A fixture that is still set up belongs to the process, or is torn down later.
    const ended = [...fixtures.values()].flatMap(({ owner, ended }) => (ended && owner !== undefined ? [owner] : []))
    if (owner?.ignored === 'all') for (const fixture of ended) fixture.ignored = 'all'
    const error = await this.#check.endTest(owner, ended)
    if (error !== undefined) throw framesOnly(error)
  }

  /** Runs after the fixtures of the process. `isInTest`: the process ends because a test has failed. */
  async endProcess(isInTest: boolean): Promise<void> {
    if (this.#options !== undefined) this.#check.use(this.#options, 'use')
    const error = await this.#check.endFile()
    if (error === undefined) return
    // After a failed test, Playwright ends its process and would add the error to that test.
    if (isInTest) printLine(printable(error.message))
    else throw framesOnly(error)
  }

  /**
   * Playwright runs tests, hooks, and the set-up and teardown of fixtures through a method of its TestInfo. If that method is missing, the
   * sockets of all tests are reported when the process ends.
   */
  #follow(prototype: TestInfoImpl): void {
    if (this.#followed.has(prototype)) return
    this.#followed.add(prototype)
    const [check, ownerOf] = [this.#check, (info: TestInfo, runnable: Runnable) => this.#ownerOf(info, runnable)]
    for (const [name, runnableOf] of METHODS) {
      if (typeof prototype[name] !== 'function') continue
      patch(
        prototype,
        name,
        (method) =>
          function (this: TestInfo, given, action) {
            const runnable = runnableOf(given)
            const run = (): unknown => Reflect.apply(method as RunMethod, this, [given, action])
            return runnable === undefined ? run() : check.run(ownerOf(this, runnable), run)
          } as RunMethod,
        'Playwright has no hook around a test',
      )
    }
  }

  #ownerOf(info: TestInfo, { type, fixture }: Runnable): Owner | undefined {
    if (OF_FILE.has(type)) return this.#check.ofFile(info.file || undefined)
    const { owner, fixtures } = this.#testOf(info)
    if (fixture === undefined) return owner
    const { title, phase, location = {} } = fixture
    const key = [title, location.file, location.line, location.column].join(':')
    let known = fixtures.get(key)
    if (phase === 'setup' || known === undefined) {
      known = { owner: this.#check.ofFile(info.file), ended: false }
      fixtures.set(key, known)
    }
    if (phase === 'teardown') known.ended = true
    return known.owner
  }

  #testOf(info: TestInfo): RunningTest {
    let known = this.#tests.get(info)
    if (known === undefined) {
      known = { owner: this.#check.beginTest(info.titlePath.slice(1).join(' › '), info.file), fixtures: new Map() }
      this.#tests.set(info, known)
    }
    return known
  }
}

interface RunningTest {
  readonly owner: Owner | undefined
  /** The fixtures that were set up for it, each with its own sockets. */
  readonly fixtures: Map<string, { readonly owner: Owner | undefined; ended: boolean }>
}

/** A test, a hook or a fixture. Playwright calls it a runnable. The leak check reads these fields. */
interface Runnable {
  readonly type: string
  readonly fixture?: {
    readonly title: string
    readonly phase: 'setup' | 'teardown'
    readonly location?: { readonly file?: string; readonly line?: number; readonly column?: number }
  }
}

type RunMethod = (given: unknown, action: () => Promise<unknown>) => unknown
type TestInfoImpl = { [Name in (typeof METHODS)[number][0]]?: RunMethod }

/** Playwright 1.50 has the second method, whose argument contains the runnable. */
const METHODS = [
  ['_runWithTimeout', (given: unknown) => given as Runnable | undefined],
  ['_runAsStage', (given: unknown) => (given as { runnable?: Runnable } | undefined)?.runnable],
] as const

const OF_FILE: ReadonlySet<string> = new Set(['beforeAll', 'afterAll', 'teardown'])

const PLAYWRIGHT: ReadonlySet<string> = new Set(['playwright-core', 'playwright', '@playwright/test'])

/** The options in the form of the other runners, with `announce` outside of `leaks`. */
function optionsOf(given: PlaywrightLeakOptions | LeakOptions['mode'] | undefined): RunnerOptions {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return given === undefined ? {} : { leaks: given }
  const { announce, ...leaks } = given
  return { leaks, ...(announce === undefined ? {} : { announce }) }
}
