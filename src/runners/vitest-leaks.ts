import * as vitest from 'vitest'
import { LeakCheck, type RunnerOptions } from '../leaks/leak-check.js'
import { announce } from './announcement.js'
import { mainProcess, type ProvidedOptions, type WorkerState, workerState } from './vitest-worker.js'

/**
 * Checks each test of the file that is collected, and the file itself. Called again, it checks nothing twice: options that are given
 * then replace those from before.
 */
export function checkLeaks(given: RunnerOptions | undefined, provided: ProvidedOptions | undefined): void {
  const known = registered()
  if (known !== undefined && given === undefined) return
  const [options, of] = given === undefined ? [provided, 'provide.portside'] : [given, 'install()']
  const checked = known ?? {
    check: new LeakCheck(workerState()?.filepath, options, {
      of,
      more: ['plugin'],
      showsSource: true,
      marksSource: true,
    }),
    hooks: false,
  }
  if (known === undefined) {
    register(checked)
    if (provided?.plugin !== true) announce(checked.check.options, options?.announce, mainProcess())
  } else known.check.use(given, of)
  if (checked.hooks || checked.check.options.mode === 'off') return
  checked.hooks = true
  addHooks(checked.check)
}

/** The check of the file that is collected now. */
interface Checked {
  readonly check: LeakCheck
  hooks: boolean
}

/** On the state of the worker: there it is one for each copy of portside, and each run of a file has its own. */
function registered(): Checked | undefined {
  const { [CHECKED]: found, filepath } = (workerState() ?? {}) as Marked
  return found?.file === filepath ? found?.checked : undefined
}

function register(checked: Checked): void {
  const state = workerState() as Marked | undefined
  if (state === undefined) return
  const value = { file: state.filepath, checked }
  Object.defineProperty(state, CHECKED, { value, configurable: true, writable: true })
}

const CHECKED = Symbol.for('portside.vitest.checked')

type Marked = WorkerState & { [CHECKED]?: { readonly file: string | undefined; readonly checked: Checked } }

function addHooks(check: LeakCheck): void {
  // By what is there: importing a name that is not breaks Vitest before 4.1.
  const { aroundEach, aroundAll } = vitest as { aroundEach?: AroundEach; aroundAll?: AroundAll }
  if (aroundEach !== undefined && aroundAll !== undefined) checkAround(aroundEach, aroundAll, check)
  else checkInHooks(check)
}

type AroundEach = (
  around: (runTest: () => Promise<void>, context: { task: Task }) => Promise<void>,
  timeout: number,
) => void
type AroundAll = (around: (runSuite: () => Promise<void>) => Promise<void>, timeout: number) => void

/** Milliseconds. The check has bounds of its own, which may be longer than a `hookTimeout`. */
const HOOK_TIMEOUT = 60_000

interface Task {
  readonly name: string
  readonly suite?: Task | undefined
  readonly file?: { readonly filepath?: string }
}

/** Vitest 4.1 and later: hooks, fixtures and what `onTestFinished` was given are all inside. */
function checkAround(aroundEach: AroundEach, aroundAll: AroundAll, check: LeakCheck): void {
  aroundEach(async (runTest, { task }) => {
    const owner = check.beginTest(fullName(task), task.file?.filepath)
    await check.run(owner, runTest)
    const error = await check.endTest(owner)
    if (error !== undefined) throw error
  }, HOOK_TIMEOUT)
  aroundAll(async (runSuite) => {
    await runSuite()
    await endFile(check)
  }, HOOK_TIMEOUT)
}

async function endFile(check: LeakCheck): Promise<void> {
  const error = await check.endFile()
  if (error !== undefined) throw error
}

/**
 * Before: the test function is wrapped for as long as it runs, and so are the hooks of the file. The check is what
 * `onTestFinished` was given first, which it calls last.
 */
function checkInHooks(check: LeakCheck): void {
  const owners = new WeakMap<object, ReturnType<LeakCheck['beginTest']>>()
  // What a beforeAll returns is called after the afterAll hooks: in the order of the hooks, or the last one first.
  const isLast = workerState()?.config?.sequence?.hooks !== 'list'
  const endsFile = () => () => endFile(check)
  if (isLast) vitest.beforeAll(endsFile)
  vitest.beforeAll(async (suite) => {
    const { getHooks } = await suiteApi()
    // Vitest has only begun to run this list.
    if (!isLast) getHooks(suite)?.beforeAll?.push(endsFile)
    const asTest =
      (hook: Hook): Hook =>
      (context, ...rest) => {
        const owner = owners.get(context.task)
        return check.run(owner, () => bound(check, owner, hook(context, ...rest)))
      }
    wrapHooks(suite as unknown as SuiteTask, getHooks, asTest)
  })
  vitest.beforeEach(async ({ task, onTestFinished }) => {
    const { getFn, setFn } = await suiteApi()
    const owner = check.beginTest(fullName(task as Task), (task as Task).file?.filepath)
    owners.set(task, owner)
    const run = getFn(task)
    if (run) setFn(task, () => check.run(owner, run))
    onTestFinished(async () => {
      // A retry runs all of this anew.
      if (run) setFn(task, run)
      const error = await check.endTest(owner)
      if (error !== undefined) throw error
    })
  })
}

type Hook = (context: { task: object }, ...rest: unknown[]) => unknown

interface SuiteTask {
  readonly type?: string
  readonly tasks?: readonly SuiteTask[]
}

interface SuiteApi {
  getFn(task: object): (() => Promise<void>) | undefined
  setFn(task: object, run: () => Promise<void>): void
  getHooks(suite: object): { beforeAll?: Array<() => unknown>; beforeEach?: Hook[]; afterEach?: Hook[] } | undefined
}

/**
 * By a variable: Vitest 5 has no such entry, and Vite looks for what an import names as soon as it sees the module.
 */
const suiteApi = (name = 'vitest/suite'): Promise<SuiteApi> => import(/* @vite-ignore */ name)

function wrapHooks(suite: SuiteTask, getHooks: SuiteApi['getHooks'], wrap: (hook: Hook) => Hook): void {
  const hooks = getHooks(suite)
  for (const each of [hooks?.beforeEach, hooks?.afterEach]) each?.splice(0, each.length, ...each.map(wrap))
  for (const task of suite.tasks ?? []) if (task.type === 'suite') wrapHooks(task, getHooks, wrap)
}

/** What a beforeEach returns is called later, and is the test's, too. */
async function bound(check: LeakCheck, owner: ReturnType<LeakCheck['beginTest']>, returned: unknown): Promise<unknown> {
  const cleanUp = await returned
  return typeof cleanUp === 'function' ? () => check.run(owner, () => cleanUp()) : cleanUp
}

/** As Vitest prints it. */
function fullName({ name, suite, file }: Task): string {
  return suite == null || suite === file ? name : `${fullName(suite)} > ${name}`
}
