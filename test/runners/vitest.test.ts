import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test as vitestTest } from 'vitest'
import type { NetScope, TestServer } from '../../src/index.js'
import { install, it, matchers, test } from '../../src/runners/vitest.js'
import { complaintsOf, MATCHERS, VITEST_NET } from './consumers/expected.js'
import { run } from './consumers/project.js'

const root = join(import.meta.dirname, '../..')

describe('net', () => {
  const nets = new Set<NetScope>()
  let server: TestServer

  test('is open while its test runs', async ({ net }) => {
    nets.add(net)
    server = await net.listenTcp()
    expect(server.server.listening).toBe(true)
  })

  it('is new in the next test, and the last scope is closed', ({ net }) => {
    expect(nets.has(net)).toBe(false)
    expect(server.server.listening).toBe(false)
  })
})

vitestTest('the matchers are there once install() is called, as often as it is', () => {
  const assertion = expect(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }))
  expect(Object.keys(matchers).filter((name) => name in assertion)).toEqual([])
  install()
  install()
  expect(Object.keys(matchers).filter((name) => !(name in assertion))).toEqual([])
  assertion.toBeConnectionRefused()
})

// Concurrent tests, retries, options and failing teardowns: only another process can see a test fail.
vitestTest('the suite of a user passes and fails where it should', async ({ onTestFinished }) => {
  const folder = mkdtempSync(join(tmpdir(), 'portside-vitest-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const report = join(folder, 'report.json')
  const config = join(import.meta.dirname, 'on-sources.config.ts')
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  await run(process.execPath, [vitest, 'run', '--config', config, '--reporter=json', `--outputFile=${report}`], root)
  expect(complaintsOf(report, { 'matchers.test.ts': MATCHERS, 'net.test.ts': VITEST_NET })).toEqual([])
})
