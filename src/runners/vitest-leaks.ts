import * as vitest from 'vitest'
import { LeakCheck, type RunnerOptions } from '../leaks/leak-check.js'
import { announce } from './announcement.js'
import { mainProcess, type ProvidedOptions, type WorkerState, workerState } from './vitest-worker.js'

/** Checks each test of the file that Vitest collects, and the file itself. Later calls only replace the options. */
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

/** The check of the file that Vitest collects now. */
interface Checked {
  readonly check: LeakCheck
  hooks: boolean
}

/** Kept on the worker's state, which is new for each run of a file and shared by all copies of portside. */
function registered(): Checked | undefined {
  const { [CHECKED]: found, filepath } = (workerState() ?? {}) as Marked
  return found?.file === filepath ? found?.checked : undefined
}

/** The check of the file that runs now. */
export const checkNow = (): LeakCheck | undefined => registered()?.check

function register(checked: Checked): void {
  const state = workerState() as Marked | undefined
  if (state === undefined) return
  const value = { file: state.filepath, checked }
  Object.defineProperty(state, CHECKED, { value, configurable: true, writable: true })
}

const CHECKED = Symbol.for('portside.vitest.checked')

type Marked = WorkerState & { [CHECKED]?: { readonly file: string | undefined; readonly checked: Checked } }

function addHooks(check: LeakCheck): void {
  // Not by a named import: Vitest before 4.1 fails to import names that it does not have.
  const { aroundEach, aroundAll } = vitest as { aroundEach?: AroundEach; aroundAll?: AroundAll }
  if (aroundEach !== undefined && aroundAll !== undefined) checkAround(aroundEach, aroundAll, check)
  else checkInHooks(check)
}

type AroundEach = (
  around: (runTest: () => Promise<void>, context: { task: Task }) => Promise<void>,
  timeout: number,
) => void
type AroundAll = (around: (runSuite: () => Promise<void>) => Promise<void>, timeout: number) => void

/** Milliseconds. The check has its own time limits, which may be longer than a `hookTimeout`. */
const HOOK_TIMEOUT = 60_000

interface Task {
  readonly name: string
  readonly suite?: Task | undefined
  readonly file?: { readonly filepath?: string }
}

/** For Vitest 4.1 and later: hooks, fixtures and `onTestFinished` callbacks all run inside. */
function checkAround(aroundEach: AroundEach, aroundAll: AroundAll, check: LeakCheck): void {
  aroundEach(async (runTest, { task }) => {
    const owner = check.beginTest(fullName(task), task.file?.filepath)
    await check.run(owner, runTest)
    const error = await check.endTest(owner)
    if (error !== undefined) throw error
  }, HOOK_TIMEOUT)
  aroundAll(async (runSuite) => {
    await check.run(check.ofFile(), runSuite)
    await endFile(check)
  }, HOOK_TIMEOUT)
}

async function endFile(check: LeakCheck): Promise<void> {
  const error = await check.endFile()
  if (error !== undefined) throw error
}

/**
 * For earlier versions of Vitest: wraps the test function while it runs, and the hooks of the file. The check is the first callback of
 * `onTestFinished`, which Vitest calls last.
 */
function checkInHooks(check: LeakCheck): void {
  const owners = new WeakMap<object, Owner>()
  // Vitest calls the clean-ups that beforeAll hooks return after the afterAll hooks: in the order of the hooks, or in reverse.
  const isLast = workerState()?.config?.sequence?.hooks !== 'list'
  const endsFile = () => () => endFile(check)
  if (isLast) vitest.beforeAll(endsFile)
  vitest.beforeAll(async (suite) => {
    const { getHooks } = await suiteApi()
    const asOwner =
      (hook: Hook, ownerOf: (context: Context) => Owner): Hook =>
      (context, ...rest) => {
        const owner = ownerOf(context)
        return check.run(owner, () => bound(check, owner, hook(context, ...rest)))
      }
    const file = check.ofFile()
    wrapHooks(suite as unknown as SuiteTask, getHooks, {
      each: (hook) => asOwner(hook, ({ task }) => owners.get(task as object)),
      all: (hook) => asOwner(hook, () => file),
    })
    // Vitest is still running this list, so it calls a hook that is added now.
    if (!isLast) getHooks(suite)?.beforeAll?.push(endsFile)
  })
  vitest.beforeEach(async ({ task, onTestFinished }) => {
    const { getFn, setFn } = await suiteApi()
    const owner = check.beginTest(fullName(task as Task), (task as Task).file?.filepath)
    owners.set(task, owner)
    const run = getFn(task)
    if (run) setFn(task, () => check.run(owner, run))
    onTestFinished(async () => {
      // A retry runs all of this again.
      if (run) setFn(task, run)
      const error = await check.endTest(owner)
      if (error !== undefined) throw error
    })
  })
}

type Owner = ReturnType<LeakCheck['beginTest']>
/** Hooks around all tests get the suite, hooks around each test its context. */
type Context = { readonly task?: object }
type Hook = (context: Context, ...rest: unknown[]) => unknown

interface SuiteTask {
  readonly type?: string
  readonly tasks?: readonly SuiteTask[]
}

interface SuiteApi {
  getFn(task: object): (() => Promise<void>) | undefined
  setFn(task: object, run: () => Promise<void>): void
  getHooks(suite: object): { [Name in (typeof HOOKS)[number][number]]?: Hook[] } | undefined
}

/** Imported by a variable: Vitest 5 has no such entry, and Vite resolves a literal import when it loads the module. */
const suiteApi = (name = 'vitest/suite'): Promise<SuiteApi> => import(/* @vite-ignore */ name)

const HOOKS = [
  ['beforeEach', 'afterEach'],
  ['beforeAll', 'afterAll'],
] as const

interface Wraps {
  readonly each: (hook: Hook) => Hook
  readonly all: (hook: Hook) => Hook
}

function wrapHooks(suite: SuiteTask, getHooks: SuiteApi['getHooks'], { each, all }: Wraps): void {
  const hooks = getHooks(suite)
  for (const [names, wrap] of [[HOOKS[0], each] as const, [HOOKS[1], all] as const]) {
    for (const name of names) hooks?.[name]?.splice(0, hooks[name].length, ...hooks[name].map(wrap))
  }
  for (const task of suite.tasks ?? []) if (task.type === 'suite') wrapHooks(task, getHooks, { each, all })
}

/** A clean-up that a hook returns runs later, and belongs to the same owner. */
async function bound(check: LeakCheck, owner: Owner, returned: unknown): Promise<unknown> {
  const cleanUp = await returned
  return typeof cleanUp === 'function' ? () => check.run(owner, () => cleanUp()) : cleanUp
}

/** The name of a test as Vitest prints it. */
function fullName({ name, suite, file }: Task): string {
  return suite == null || suite === file ? name : `${fullName(suite)} > ${name}`
}
