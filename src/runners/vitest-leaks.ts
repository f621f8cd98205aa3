import * as vitest from 'vitest'
import { LeakCheck, type RunnerOptions } from '../leaks/leak-check.js'

/** Checks each test of the file that is collected, and the file itself. Called again, it checks nothing twice. */
export function checkLeaks(options: RunnerOptions | undefined, of: string): void {
  const file = (globalThis as WorkerGlobal).__vitest_worker__?.filepath
  if (file !== undefined && file === checked) return
  checked = file
  const check = new LeakCheck(file, options, { of, showsSource: true, marksSource: true })
  if (check.options.mode === 'off') return
  // What a beforeAll returns is called after the afterAll hooks.
  vitest.beforeAll(() => async () => {
    const error = await check.endFile()
    if (error !== undefined) throw error
  })
  // By what is there: importing a name that is not breaks Vitest before 4.1.
  const { aroundEach } = vitest as { aroundEach?: AroundEach }
  if (aroundEach !== undefined) checkAround(aroundEach, check)
  else checkInHooks(check)
}

/** The file whose checks are registered. With `isolate: false` a worker collects one after the other. */
let checked: string | undefined

interface WorkerGlobal {
  __vitest_worker__?: { filepath?: string }
}

type AroundEach = (around: (runTest: () => Promise<void>, context: { task: Task }) => Promise<void>) => void

interface Task {
  readonly name: string
  readonly suite?: Task | undefined
  readonly file?: { readonly filepath?: string }
}

/** Vitest 4.1 and later: hooks, fixtures and what `onTestFinished` was given are all inside. */
function checkAround(aroundEach: AroundEach, check: LeakCheck): void {
  aroundEach(async (runTest, { task }) => {
    const owner = check.beginTest(fullName(task), task.file?.filepath)
    await check.run(owner, runTest)
    const error = await check.endTest(owner)
    if (error !== undefined) throw error
  })
}

/**
 * Before: the test function is wrapped for as long as it runs, and so are the hooks of the file. The check is what
 * `onTestFinished` was given first, which it calls last.
 */
function checkInHooks(check: LeakCheck): void {
  const owners = new WeakMap<object, ReturnType<LeakCheck['beginTest']>>()
  vitest.beforeAll(async (suite) => {
    const { getHooks } = await suiteApi()
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
  getHooks(suite: object): { beforeEach?: Hook[]; afterEach?: Hook[] } | undefined
}

const suiteApi = (): Promise<SuiteApi> => import('./vitest-suite.js') as unknown as Promise<SuiteApi>

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
