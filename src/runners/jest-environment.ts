import { TestEnvironment as NodeEnvironment } from 'jest-environment-node'
import { portsideError } from '../errors.js'
import type { RunnerOptions } from '../leaks/leak-check.js'
import { installMatchers } from './install-matchers.js'
import { type CircusEvent, type CircusState, JestCheck } from './jest-leaks.js'
import { checkEnvironmentPlace } from './jest-place.js'
import { checkHosts } from './jest-runner-mark.js'

checkEnvironmentPlace()

/**
 * Jest's environment for Node, with the leak check, and with the matchers on the `expect` of each test file. It also adds
 * `Symbol.asyncDispose`, which `await using` needs: the realm of a test file has none in Jest 29.
 *
 * Name it as `testEnvironment`, or extend it. `testEnvironmentOptions.portside` has the options.
 *
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown, or stands outside of `portside`
 * @throws ERR_INVALID_ARG_TYPE if an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if an option has an invalid value
 * @throws ERR_PORTSIDE_UNSUPPORTED if Jest loads it as a setup file, or `host` is set without `portside/jest-runner`
 * @example
 * ```js
 * // jest.config.mjs
 * export default {
 *   testEnvironment: 'portside/jest-environment',
 *   testEnvironmentOptions: { portside: { leaks: 'warn' } },
 * }
 * ```
 * @see `docs/jest.md#the-leak-check`
 */
export class TestEnvironment extends (NodeEnvironment as EventHandlingEnvironment) {
  readonly #check: JestCheck

  constructor(...args: ConstructorParameters<typeof NodeEnvironment>) {
    super(...args)
    const [config, context] = args
    const portside = portsideOptions(config.projectConfig.testEnvironmentOptions)
    checkHosts(portside)
    this.#check = new JestCheck(context.testPath, portside)
  }

  override async setup(): Promise<void> {
    await super.setup()
    Object.defineProperty(this.global, CHECKED, { value: true })
    const { Symbol: symbols } = this.global as unknown as { Symbol: Record<string, unknown> }
    for (const name of ['dispose', 'asyncDispose'] as const) {
      if (symbols[name] === undefined) Object.defineProperty(symbols, name, { value: Symbol[name] })
    }
  }

  override async handleTestEvent(event: TestEvent, state: unknown): Promise<void> {
    await super.handleTestEvent?.(event, state)
    const expect = event.name === 'setup' ? event.runtimeGlobals?.expect : undefined
    if (expect !== undefined) installMatchers(expect)
    await this.#check.handle(event as CircusEvent, state as CircusState)
  }
}

/** Throws ERR_PORTSIDE_UNKNOWN_OPTION for options of portside outside of `portside`, which Jest would drop. */
function portsideOptions(all: { readonly portside?: RunnerOptions }): RunnerOptions | undefined {
  for (const name of OWN_OPTIONS) {
    if (!Object.hasOwn(all, name)) continue
    throw portsideError('ERR_PORTSIDE_UNKNOWN_OPTION', {
      headline: `Invalid option "${name}" of testEnvironmentOptions: it is an option of portside`,
      argument: name,
      next: `put it into portside: { portside: { ${name}: ... } }`,
    })
  }
  return all.portside
}

/** Without `host`, which may be an option of an environment that extends this one. */
const OWN_OPTIONS = ['leaks', 'announce'] as const

/** Marks the globals of a test file that this environment checks. */
const CHECKED = Symbol.for('portside.jest-environment')

/** The part of an event of jest-circus that is read here. */
export interface TestEvent {
  readonly name: string
  readonly runtimeGlobals?: { readonly expect?: { extend(matchers: object): unknown } }
}

type EventHandlingEnvironment = new (
  ...args: ConstructorParameters<typeof NodeEnvironment>
) => InstanceType<typeof NodeEnvironment> & { handleTestEvent?(event: TestEvent, state: unknown): void | Promise<void> }

export type { RunnerOptions }
export default TestEnvironment
