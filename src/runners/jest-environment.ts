import { TestEnvironment as NodeEnvironment } from 'jest-environment-node'
import { portsideError } from '../errors.js'
import type { RunnerOptions } from '../leaks/leak-check.js'
import { type ExtensibleExpect, installMatchers } from './install-matchers.js'
import { type CircusEvent, type CircusState, JestCheck } from './jest-leaks.js'
import { checkEnvironmentPlace } from './jest-place.js'
import { checkHosts } from './jest-runner-mark.js'

checkEnvironmentPlace()

/**
 * Jest's environment for Node, with the leak check, with the matchers on the `expect` of each test file, and with `Symbol.asyncDispose`, which
 * `await using` needs: the realm of a test file has none in Jest 29.
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

/** Throws ERR_PORTSIDE_UNKNOWN_OPTION for options of portside that stand beside `portside`, where Jest would drop them. */
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

/** On the globals of a test file that this environment checks. */
const CHECKED = Symbol.for('portside.jest-environment')

/** What jest-circus tells an environment, as far as it is read here. */
export interface TestEvent {
  readonly name: string
  readonly runtimeGlobals?: { readonly expect?: ExtensibleExpect }
}

type EventHandlingEnvironment = new (
  ...args: ConstructorParameters<typeof NodeEnvironment>
) => InstanceType<typeof NodeEnvironment> & { handleTestEvent?(event: TestEvent, state: unknown): void | Promise<void> }

export type { RunnerOptions }
export default TestEnvironment
