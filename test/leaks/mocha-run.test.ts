import { mkdtempSync, rmSync } from 'node:fs'
import Module from 'node:module'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { printLine } from '../../src/runners/announcement.js'
import { checkBehindRun } from '../../src/runners/mocha-run.js'

vi.mock('../../src/runners/announcement.js', () => ({ printLine: vi.fn() }))

// In Mocha itself: test/runners/compat.

/** A class with Mocha's interface, at the place where its command line loads Mocha. */
const { _cache: cache } = Module as unknown as { _cache: Record<string, unknown> }
const LOADED = '/app/node_modules/mocha/lib/mocha.js'
class Mocha {
  run(done?: (failures: number) => void): object {
    setImmediate(() => done?.(2))
    return RUNNER
  }
}
const RUNNER: { stats?: { passes: number; failures: number } } = {}
const run = Mocha.prototype.run
cache[LOADED] = { exports: Mocha }
checkBehindRun(() => ({ leaks: 'fail' }))
delete cache[LOADED]

afterEach(() => vi.resetAllMocks())

const failures = async (): Promise<number> => new Promise((resolve) => void new Mocha().run(resolve))

test('the end of a run does not change if nothing is left open', async () => {
  expect(Mocha.prototype.run).not.toBe(run)
  expect(new Mocha().run()).toBe(RUNNER)
  expect(await failures()).toBe(2)
})

test('sockets that the process of Mocha leaves open count as one more failure, and are closed', async () => {
  const server = net.createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  expect(await failures()).toBe(3)
  await vi.waitFor(() => expect(server.listening).toBe(false))
  expect(await failures()).toBe(2)
})

test('a run without checked tests says that the check is off', async () => {
  const print = vi.mocked(printLine)
  const unclaimed = mkdtempSync(join(tmpdir(), 'portside-mocha-'))
  vi.stubEnv('TMPDIR', unclaimed)
  onTestFinished(() => {
    vi.unstubAllEnvs()
    rmSync(unclaimed, { recursive: true, force: true })
    delete RUNNER.stats
  })
  RUNNER.stats = { passes: 0, failures: 0 }
  await failures()
  expect(print).not.toHaveBeenCalled()
  RUNNER.stats = { passes: 1, failures: 0 }
  await failures()
  expect(print).toHaveBeenCalledWith(expect.stringContaining('write exports.mochaHooks = install()'))
})

test('a second copy of portside does not look again', () => {
  const { run } = Mocha.prototype
  cache[LOADED] = { exports: Mocha }
  checkBehindRun(() => undefined)
  delete cache[LOADED]
  expect(Mocha.prototype.run).toBe(run)
})
