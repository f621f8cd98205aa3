import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { EXPECTED, jestRun, vitestRun } from '../runners/compat/combinations.js'
import { tallyOf } from '../runners/compat/outcome.js'
import { npm } from '../support/pack.js'

// The runners of this checkout, on this Node; `npm run compat` has all versions of all of them.

const root = join(import.meta.dirname, '../..')
const consumer = mkdtempSync(join(tmpdir(), 'portside-leaks-'))

beforeAll(async () => {
  cpSync(join(root, 'fixtures/projects/leaks'), consumer, { recursive: true })
  const options = ['--offline', '--no-audit', '--no-fund', '--no-package-lock', '--omit=peer']
  await npm(['install', ...options, inject('packed').tarball], consumer)
  // What portside imports and does not bring.
  for (const name of ['vitest', 'jest-environment-node', 'expect']) {
    mkdirSync(join(consumer, 'node_modules'), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(consumer, 'node_modules', name), 'junction')
  }
})
afterAll(() => rmSync(consumer, { recursive: true, force: true }))

test.each([
  ['vitest', vitestRun(['--pool=forks'], join(root, 'node_modules/vitest/vitest.mjs'))],
  ['jest', jestRun(['--maxWorkers=2'], join(root, 'node_modules/jest/bin/jest.js'))],
] as const)('%s fails the tests that leak, and no others', async (runner, start) => {
  const { outcome, output } = await start(process.execPath, consumer)
  const { found, complaints } = tallyOf(outcome)
  expect(complaints).toEqual([])
  expect(found, output).toEqual(EXPECTED[runner])
})
