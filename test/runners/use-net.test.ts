import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { TestServer } from '../../src/index.js'
import * as jest from '../../src/runners/jest.js'
import * as mocha from '../../src/runners/mocha.js'
import { codeOf, withGlobals } from '../support/globals.js'

// The hooks of Vitest stand in for those of each runner. The runners themselves: test/runners/consumers.
const RUNNERS = [
  ['Jest', jest.useNet, { beforeEach, afterEach }],
  ['Mocha, BDD', mocha.useNet, { beforeEach, afterEach, after: afterAll }],
  ['Mocha, TDD', mocha.useNet, { setup: beforeEach, teardown: afterEach, suiteTeardown: afterAll }],
] as const

describe.each(RUNNERS)('useNet() of %s', (_, useNet, globals) => {
  const net = withGlobals(globals, () => useNet())
  let server: TestServer
  const whileDefining = codeOf(() => net.listenTcp())
  let inBeforeAll: unknown
  beforeAll(() => {
    inBeforeAll = codeOf(() => net.listenTcp())
  })

  test('has the methods of a scope while a test runs', async () => {
    server = await net.listenTcp()
    expect(server.server.listening).toBe(true)
    const { createSocketPool } = net
    expect(createSocketPool().size).toBe(0)
  })

  test('closes the scope after its test', () => expect(server.server.listening).toBe(false))

  test('throws outside of a test', () => {
    expect([whileDefining, inBeforeAll]).toEqual(['ERR_PORTSIDE_SCOPE_CLOSED', 'ERR_PORTSIDE_SCOPE_CLOSED'])
  })

  test('checks its options at once, and registers nothing if they are invalid', () => {
    const registered: unknown[] = []
    const hooks = Object.keys(globals).map((name) => [name, (hook: unknown) => registered.push(hook)])
    const refused = (options: object): unknown =>
      withGlobals(Object.fromEntries(hooks), () => codeOf(() => useNet(options)))
    expect(refused({ grace: -1 })).toBe('ERR_OUT_OF_RANGE')
    expect(refused({ graze: 1 })).toBe('ERR_PORTSIDE_UNKNOWN_OPTION')
    expect(registered).toEqual([])
  })

  test('needs hooks', () => expect(codeOf(() => useNet())).toBe('ERR_PORTSIDE_UNSUPPORTED'))

  describe('twice', () => {
    const other = withGlobals(globals, () => useNet({ grace: 60_000 }))
    const undone: string[] = []

    test('makes two scopes', () => {
      net.defer(() => void undone.push('net'))
      other.defer(() => void undone.push('other'))
      onTestFinished(() => expect(undone.sort()).toEqual(['net', 'other']))
    })
  })
})
