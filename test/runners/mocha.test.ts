import { describe, expect, test } from 'vitest'
import { type HookContext, type NetScope, useNet } from '../../src/runners/mocha.js'
import { withGlobals } from '../support/globals.js'

// Tests for Mocha only. The rest of useNet() is in use-net.test.ts, and Mocha itself runs in test/runners/consumers.

type Hook = (this: HookContext | undefined) => unknown

/** The hooks that useNet() registers, by their names in Mocha. */
function registered(): { net: NetScope; hooks: Record<'beforeEach' | 'afterEach' | 'after', Hook> } {
  const hooks: Record<string, Hook> = {}
  const register = (name: string) => (hook: Hook) => void Object.assign(hooks, { [name]: hook })
  const names = ['beforeEach', 'afterEach', 'after']
  const net = withGlobals(Object.fromEntries(names.map((name) => [name, register(name)])), () => useNet())
  return { net, hooks: hooks as ReturnType<typeof registered>['hooks'] }
}

/** The context of a hook, and the errors that the hook got for its test. */
function contextOf(test: { skipped: boolean }): { context: HookContext; errors: unknown[] } {
  const errors: unknown[] = []
  const runnable = { error: (error: unknown) => void errors.push(error), isPending: () => test.skipped }
  return { context: { test: runnable, currentTest: runnable } as unknown as HookContext, errors }
}

const undoFailed = new Error('the undo failed')

function failAtClose(): { closing: Hook } {
  const { net, hooks } = registered()
  hooks.beforeEach.call(undefined)
  net.defer(() => {
    throw undoFailed
  })
  return { closing: hooks.afterEach }
}

describe('a close that fails', () => {
  test('fails its test, not its suite', async () => {
    const { context, errors } = contextOf({ skipped: false })
    await failAtClose().closing.call(context)
    expect(errors).toEqual([undoFailed])
  })

  test('fails the hook of a skipped test, because Mocha would drop the error', async () => {
    const { context, errors } = contextOf({ skipped: true })
    await expect(failAtClose().closing.call(context)).rejects.toBe(undoFailed)
    expect(errors).toEqual([])
  })

  test('fails the hook of another runner with the same globals', async () => {
    await expect(failAtClose().closing.call(undefined)).rejects.toBe(undoFailed)
  })
})

test('a scope whose afterEach never ran closes after its suite', async () => {
  const { net, hooks } = registered()
  hooks.beforeEach.call(undefined)
  const { server } = await net.listenTcp()
  await hooks.after.call(undefined)
  expect(server.listening).toBe(false)
})
