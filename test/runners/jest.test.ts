import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { TestServer } from '../../src/index.js'
import { useNet } from '../../src/runners/jest.js'

// What useNet() takes from Jest is there under the same names, and does the same. The rest is in test/runners/consumers.
const net = withGlobals({ beforeEach, afterEach }, useNet)

describe('useNet', () => {
  let server: TestServer
  const outside = codeOf(() => net.listenTcp())

  test('has the methods of a scope, while a test runs', async () => {
    server = await net.listenTcp()
    expect(server.server.listening).toBe(true)
    const { createSocketPool } = net
    expect(createSocketPool().size).toBe(0)
  })

  test('closes the scope after its test', () => expect(server.server.listening).toBe(false))

  test('refuses outside of a test', () => expect(outside).toBe('ERR_PORTSIDE_SCOPE_CLOSED'))

  test('refuses a test.concurrent of Jest, which runs beside the test that has the scope', () => {
    const beside = { expect: { getState: () => ({ currentConcurrentTestName: () => 'a concurrent test' }) } }
    expect(withGlobals(beside, () => codeOf(() => net.listenTcp()))).toBe('ERR_PORTSIDE_SCOPE_CLOSED')
  })

  test('checks its options at once, and registers nothing for wrong ones', () => {
    const hooks: unknown[] = []
    const globals = { beforeEach: (hook: unknown) => hooks.push(hook), afterEach: (hook: unknown) => hooks.push(hook) }
    expect(withGlobals(globals, () => codeOf(() => useNet({ grace: -1 })))).toBe('ERR_OUT_OF_RANGE')
    expect(hooks).toEqual([])
  })

  test('needs the globals of Jest', () => expect(codeOf(() => useNet())).toBe('ERR_PORTSIDE_UNSUPPORTED'))
})

describe('two at once', () => {
  const other = withGlobals({ beforeEach, afterEach }, () => useNet({ grace: 60_000 }))
  const undone: string[] = []

  test('are two scopes', () => {
    net.defer(() => void undone.push('net'))
    other.defer(() => void undone.push('other'))
    onTestFinished(() => expect(undone.sort()).toEqual(['net', 'other']))
  })
})

function withGlobals<T>(globals: object, action: () => T): T {
  const before = Object.fromEntries(Object.keys(globals).map((name) => [name, Reflect.get(globalThis, name)]))
  Object.assign(globalThis, globals)
  try {
    return action()
  } finally {
    Object.assign(globalThis, before)
  }
}

function codeOf(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return (error as { code?: unknown }).code
  }
  return 'nothing was thrown'
}
