import { Session } from 'node:inspector'
import { expect as jestExpect } from 'expect'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { matchers } from '../../src/assertions/matchers.js'
import Environment, { TestEnvironment } from '../../src/runners/jest-environment.js'

// In Jest itself: test/runners/consumers.
const error = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })

describe('the environment for Jest', () => {
  test('is the same class under both names', () => expect(Environment).toBe(TestEnvironment))

  test('adds the matchers to the expect of a test file during its set-up', async () => {
    const environment = open()
    const assertion = jestExpect(error)
    await environment.handleTestEvent({ name: 'test_start' }, {})
    expect(Object.keys(matchers).filter((name) => name in assertion)).toEqual([])
    await environment.handleTestEvent({ name: 'setup', runtimeGlobals: { expect: jestExpect } }, {})
    const later = jestExpect(error)
    expect(Object.keys(matchers).filter((name) => !(name in later))).toEqual([])
    later.toBeConnectionRefused()
    expect(() => later.toBeConnectionReset()).toThrow('Expected a reset connection (ECONNRESET)')
    await environment.teardown()
  })

  test.for(['leaks', 'announce'])('rejects %s outside of portside', (name) => {
    expect(() => open(TestEnvironment, { [name]: 'warn' })).toThrow(
      expect.objectContaining({
        code: 'ERR_PORTSIDE_UNKNOWN_OPTION',
        message: `Invalid option "${name}" of testEnvironmentOptions: it is an option of portside.\n  fix        put it into portside: { portside: { ${name}: ... } }`,
      }),
    )
  })

  test('ignores options of an environment that extends it', () => {
    expect(() => open(TestEnvironment, { host: 'localhost', url: 'http://localhost' })).not.toThrow()
  })

  test('passes events to an environment that extends it and to its base class', async () => {
    const heard: string[] = []
    Object.assign(Object.getPrototypeOf(TestEnvironment.prototype), {
      handleTestEvent: ({ name }: { name: string }) => void heard.push(`below: ${name}`),
    })
    class OnTop extends TestEnvironment {
      override async handleTestEvent(event: { name: string }, state: unknown): Promise<void> {
        await super.handleTestEvent(event, state)
        heard.push(`on top: ${event.name}`)
      }
    }
    await open(OnTop).handleTestEvent({ name: 'run_start' }, {})
    Reflect.deleteProperty(Object.getPrototypeOf(TestEnvironment.prototype), 'handleTestEvent')
    expect(heard).toEqual(['below: run_start', 'on top: run_start'])
  })

  test("looks at timers at the end of a file only if there are timers other than those of Jest's reporters", async () => {
    const look = vi.spyOn(Session.prototype, 'connect')
    const warn = vi.spyOn(console, 'warn').mockReturnValue()
    const status = setInterval(() => {}, 1000)
    const environment = open(TestEnvironment, { portside: { leaks: { alive: 'warn' }, announce: false } })
    await environment.handleTestEvent({ name: 'run_start' }, {})
    const output = setTimeout(() => {}, 100)
    onTestFinished(() => {
      look.mockRestore()
      warn.mockRestore()
      clearInterval(status)
      clearTimeout(output)
    })
    await environment.handleTestEvent({ name: 'run_finish' }, {})
    expect(look).not.toHaveBeenCalled()
    const other = setInterval(() => {}, 1000)
    await environment.handleTestEvent({ name: 'run_finish' }, {})
    clearInterval(other)
    expect(look).toHaveBeenCalled()
  })
})

/** Makes it as Jest does, with the settings that it reads. */
function open(Kind = TestEnvironment, testEnvironmentOptions: object = {}): TestEnvironment {
  const projectConfig = { globals: {}, testEnvironmentOptions, fakeTimers: {} }
  const config = { globalConfig: {}, projectConfig } as unknown as ConstructorParameters<typeof TestEnvironment>[0]
  return new Kind(config, { console, docblockPragmas: {}, testPath: import.meta.filename })
}
