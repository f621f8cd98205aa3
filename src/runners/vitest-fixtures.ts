import type { LeakCheck } from '../leaks/leak-check.js'
import { patch } from '../platform/patches.js'
import { printLine } from './announcement.js'

/** The part of Vitest's `test` that is read here. */
interface Test {
  extend: Extend
  /** From Vitest 4.1 on. */
  override?: Extend
  scoped?: Extend
  /** Its members are copied to `test.only`, `test.concurrent` and others. */
  readonly fn?: Test
}

/** `extend({ name: [fixture, options] })`, or from Vitest 4.1 on `extend(name, options, fixture)`. */
type Extend = (...args: unknown[]) => unknown
type Fixture = (context: object, use: (value: unknown) => Promise<void>) => Promise<unknown>

/** The fixtures that outlive their test, by name. */
type Scopes = ReadonlyMap<string, 'file' | 'worker'>

const MARK = Symbol.for('portside.vitest.fixtures')

/**
 * Vitest sets up a fixture of scope `file` or `worker` in the first test that asks for it. It tears the fixture down after the check of that
 * test, and in some versions after the hooks of the file. So such a fixture has its own owner and is checked when it is torn down.
 */
export function followFixtures(
  test: unknown,
  checkNow: () => LeakCheck | undefined,
  inherited: Scopes = new Map(),
): void {
  for (const holder of [test, (test as Test).fn] as Array<(Test & { [MARK]?: true }) | undefined>) {
    // Shared by all copies of portside, and by the files of a worker.
    if (holder === undefined || holder[MARK]) continue
    Object.defineProperty(holder, MARK, { value: true })
    for (const name of ['extend', 'override', 'scoped'] as const) {
      if (typeof holder[name] !== 'function') continue
      patch(
        holder as Required<Test>,
        name,
        (original) =>
          function (this: unknown, ...args) {
            const scopes = new Map(inherited)
            const extended = Reflect.apply(original, this, followed(args, scopes, checkNow))
            if (name === 'extend') followFixtures(extended, checkNow, scopes)
            return extended
          },
        'Vitest has no hook around a fixture',
      )
    }
  }
}

/** The arguments with fixtures that are checked. Adds these to `scopes`. */
function followed(
  args: unknown[],
  scopes: Map<string, 'file' | 'worker'>,
  checkNow: () => LeakCheck | undefined,
): unknown[] {
  const [first, second, third] = args
  const checked = (name: string, fixture: unknown, options: unknown, form = asGiven): unknown => {
    if (typeof fixture !== 'function') return fixture
    const { scope } = (options ?? {}) as { scope?: unknown }
    if (scope === 'file' || scope === 'worker') scopes.set(name, scope)
    else if (scope !== undefined) scopes.delete(name)
    const known = scopes.get(name)
    return known === undefined ? fixture : check(name, known, form(fixture), fixture, checkNow)
  }
  if (typeof first === 'string') {
    const [options, fixture] = third === undefined ? [undefined, second] : [second, third]
    const follows = checked(first, fixture, options, built)
    return follows === fixture ? args : [{ [first]: options === undefined ? follows : [follows, options] }]
  }
  if (typeof first !== 'object' || first === null) return args
  const fixtures = Object.entries(first).map(([name, given]) => {
    if (!Array.isArray(given)) return [name, checked(name, given, undefined)]
    return [name, [checked(name, given[0], given[1]), ...given.slice(1)]]
  })
  return [Object.fromEntries(fixtures), ...args.slice(1)]
}

function check(
  name: string,
  scope: 'file' | 'worker',
  fixture: Fixture,
  given: object,
  checkNow: () => LeakCheck | undefined,
): Fixture {
  const checked: Fixture = async (context, use) => {
    const check = checkNow()
    if (check === undefined) return fixture(context, use)
    const error = await check.runFixture(name, () => fixture(context, use))
    if (error !== undefined) fail(error, scope)
  }
  // Vitest reads from the parameters of the fixture which others it asks for.
  return Object.defineProperty(checked, 'toString', { value: () => given.toString() })
}

/**
 * Vitest ends a worker after its last file. It may have printed its summary before, and then drops the error, so the report is printed too.
 * Vitest 3, which has tinypool, would exit with 0 and without a word while files are left.
 */
function fail(error: Error, scope: 'file' | 'worker'): void {
  if (scope === 'file') throw error
  const { message, stack } = error
  printLine(message)
  if ('__tinypool_state__' in process) return
  const [headline = message] = message.split('\n', 1)
  throw Object.assign(error, { message: headline, stack: stack?.replace(message, () => headline) })
}

const asGiven = (given: unknown): Fixture => given as Fixture

/** A fixture that returns its value, in the form with `use`. */
function built(given: unknown): Fixture {
  const fixture = given as (context: object, tools: { onCleanup(cleanUp: () => unknown): void }) => unknown
  return async (context, use) => {
    const cleanUps: Array<() => unknown> = []
    const onCleanup = (cleanUp: () => unknown): void => {
      if (cleanUps.length > 0) throw new Error('onCleanup can only be called once per fixture.')
      cleanUps.push(cleanUp)
    }
    await use(await fixture(context, { onCleanup }))
    for (const cleanUp of cleanUps) await cleanUp()
  }
}
