import { LeakCheck, type RunnerOptions } from '../leaks/leak-check.js'
import { periodOf, timersOfPeriod } from '../platform/active-resources.js'
import { announce } from './announcement.js'
import { type Fn, withArity } from './with-arity.js'

type Owner = ReturnType<LeakCheck['beginTest']>

/** The part of an event of jest-circus that is read here. */
export interface CircusEvent {
  readonly name: string
  readonly test?: CircusTest
}

export interface CircusState {
  readonly rootDescribeBlock?: DescribeBlock
  readonly unhandledErrors?: unknown[]
}

interface CircusTest {
  readonly type: 'test'
  readonly name: string
  readonly parent: DescribeBlock
  readonly concurrent?: boolean
  readonly errors: unknown[]
  fn?: Fn | null
}

interface DescribeBlock {
  readonly type: 'describeBlock'
  readonly name: string
  readonly parent?: DescribeBlock
  readonly children: ReadonlyArray<DescribeBlock | CircusTest>
  readonly hooks: ReadonlyArray<{ readonly type: string; fn: Fn }>
}

/** The leak check of one test file, driven by the events of jest-circus, which awaits the handler of each. */
export class JestCheck {
  readonly #check: LeakCheck
  readonly #owners = new WeakMap<CircusTest, { owner: Owner }>()
  readonly #ended = new WeakMap<object, CircusTest>()
  /** The owner of the hooks that run for the file. */
  readonly #ofHooks: Owner
  /** The test whose hooks run. A concurrent test has none. */
  #current: CircusTest | undefined

  constructor(file: string, options: RunnerOptions | undefined) {
    this.#check = new LeakCheck(file, options, {
      waits: true,
      showsSource: true,
      timersOfRunner: timersOfJest(),
      // Jest reports the tests when the file has ended, so a test can still fail.
      failEnded: (owner, error) => this.#ended.get(owner)?.errors.push(error) !== undefined,
      of: 'testEnvironmentOptions.portside',
      more: ['host', 'fallback'],
    })
    this.#ofHooks = this.#check.ofFile()
    announce(this.#check.options, options?.announce, mainProcess())
  }

  async handle({ name, test }: CircusEvent, state: CircusState): Promise<void> {
    if (this.#check.options.mode === 'off') return
    if (name === 'run_start' && state.rootDescribeBlock !== undefined) this.#wrapAll(state.rootDescribeBlock)
    else if (name === 'test_start' && test?.concurrent !== true) this.#current = test
    else if (name === 'test_done' && test !== undefined) await this.#endTest(test)
    else if (name === 'run_finish') await this.#endFile(state)
  }

  async #endTest(test: CircusTest): Promise<void> {
    const owner = this.#ownerOf(test)
    const error = await this.#check.endTest(owner)
    if (owner !== undefined) this.#ended.set(owner, test)
    if (error !== undefined) test.errors.push(error)
    // Each attempt of a retry has its own owner.
    this.#owners.delete(test)
    if (this.#current === test) this.#current = undefined
  }

  async #endFile(state: CircusState): Promise<void> {
    const error = await this.#check.endFile()
    if (error !== undefined) state.unhandledErrors?.push(error)
  }

  /** Sockets of beforeEach and afterEach hooks belong to the test, sockets of beforeAll and afterAll hooks to the file. */
  #wrapAll(block: DescribeBlock): void {
    for (const hook of block.hooks) {
      const ofTest = hook.type.endsWith('Each')
      hook.fn = this.#wrapped(hook.fn, () => (ofTest ? this.#current && this.#ownerOf(this.#current) : this.#ofHooks))
    }
    for (const child of block.children) {
      if (child.type === 'describeBlock') this.#wrapAll(child)
      else if (child.fn != null) child.fn = this.#wrapped(child.fn, () => this.#ownerOf(child))
    }
  }

  #wrapped(fn: Fn, ownerOf: () => Owner): Fn {
    // Jest rejects generators by their class, so they are not wrapped.
    if (fn.constructor.name.endsWith('GeneratorFunction')) return fn
    const run = (self: unknown, args: unknown[]): unknown =>
      this.#check.run(ownerOf(), () => Reflect.apply(fn, self, args))
    return withArity(fn.length, run)
  }

  #ownerOf(test: CircusTest): Owner {
    let known = this.#owners.get(test)
    if (known === undefined) {
      known = { owner: this.#check.beginTest(fullName(test)) }
      this.#owners.set(test, known)
    }
    return known.owner
  }
}

/**
 * Counts the timers of Jest's reporters, which share the process of a run without workers: an interval from before the file, and timeouts
 * that fire too soon to be reported.
 */
function timersOfJest(): () => number {
  const before = new WeakSet(timersOfPeriod(REPORTER.status))
  return () =>
    timersOfPeriod(REPORTER.output).filter((timer) => timer.hasRef() && periodOf(timer).every === undefined).length +
    timersOfPeriod(REPORTER.status).filter((timer) => timer.hasRef() && before.has(timer)).length
}

/** Milliseconds: how often the reporter shows the status, and how long it collects output. */
const REPORTER = { status: 1000, output: 100 }

/** The pid of Jest's own process, which is this process with `--runInBand` and with `workerThreads`. */
const mainProcess = (): number =>
  /[/\\]jest-worker[/\\].*processChild/.test(process.argv[1] ?? '') ? process.ppid : process.pid

function fullName({ name, parent }: { readonly name: string; readonly parent?: DescribeBlock }): string {
  return parent?.parent === undefined ? name : `${fullName(parent)} ${name}`
}
