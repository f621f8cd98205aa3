import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import { jestRun, vitestRun } from '../runners/compat/combinations.js'
import { installPacked } from '../support/pack.js'

// Tests the runners of this checkout on this Node. `npm run compat` tests all versions of all runners.

const root = join(import.meta.dirname, '../..')
const consumer = mkdtempSync(join(tmpdir(), 'portside-leaks-'))

beforeAll(async () => {
  cpSync(join(root, 'fixtures/projects/leaks'), consumer, { recursive: true })
  await installPacked(inject('packed'), consumer)
  // Packages that portside imports but does not depend on.
  for (const name of ['vitest', 'jest-environment-node', 'expect']) {
    mkdirSync(join(consumer, 'node_modules'), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(consumer, 'node_modules', name), 'junction')
  }
})
afterAll(() => rmSync(consumer, { recursive: true, force: true }))

const FILES = ['life', 'concurrent']
const vitest = vitestRun(['--pool=forks', ...FILES], join(root, 'node_modules/vitest/vitest.mjs'))
const jest = jestRun(['--maxWorkers=2', ...FILES], join(root, 'node_modules/jest/bin/jest.js'))
const RUNNERS = [
  ['vitest', vitest],
  ['jest', jest],
] as const

test.for(RUNNERS)('%s passes its options on: with warn no test fails, and all leaks are printed', async ([, start]) => {
  vi.stubEnv('PORTSIDE_OPTIONS', JSON.stringify({ leaks: { mode: 'warn', ignore: [{ kind: 'udp' }] } }))
  const { outcome, output } = await start(process.execPath, consumer).finally(() => vi.unstubAllEnvs())
  expect(outcome.tests.filter(({ said }) => said.includes('portside: '))).toEqual([])
  expect(output).toContain("'leaks under fake timers' left 2 sockets open")
  expect(output).not.toContain("'leaks what no rule says'")
})
