import { afterEach, beforeEach, expect, test } from 'vitest'
import { useNet } from '../../src/runners/jest.js'
import { codeOf, withGlobals } from '../support/globals.js'

// Tests for Jest only. The rest of useNet() is in use-net.test.ts.
const net = withGlobals({ beforeEach, afterEach }, () => useNet())

test('useNet throws in a test.concurrent of Jest that runs during the test with the scope', () => {
  const beside = { expect: { getState: () => ({ currentConcurrentTestName: () => 'a concurrent test' }) } }
  expect(withGlobals(beside, () => codeOf(() => net.listenTcp()))).toBe('ERR_PORTSIDE_SCOPE_CLOSED')
})
