import net from 'node:net'
import type { TestInfo } from '@playwright/test'
import { describe, expect, test } from 'vitest'
import { PlaywrightCheck } from '../../src/runners/playwright-leaks.js'

// The tests in real Playwright are in test/playwright.

const QUIET = { announce: false }

/** Runs code as some version of Playwright does: through a method that portside knows, or through another. */
function playwright(method: string): TestInfo & { run(runnable: object, action: () => Promise<void>): Promise<void> } {
  class TestInfoImpl {
    readonly titlePath = ['a.spec.ts', 'a group', 'a test']
    readonly file = '/app/a.spec.ts';
    [method](_given: unknown, action: () => Promise<void>): Promise<void> {
      return action()
    }
    run(runnable: object, action: () => Promise<void>): Promise<void> {
      const given = method === '_runAsStage' ? { title: 'x', runnable } : runnable
      return (this as unknown as Record<string, (...args: unknown[]) => Promise<void>>)[method]?.(
        given,
        action,
      ) as never
    }
  }
  return new TestInfoImpl() as unknown as ReturnType<typeof playwright>
}

async function leak(opened: net.Server[]): Promise<void> {
  const server = net.createServer()
  opened.push(server)
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
}

const fixture = (title: string, phase: 'setup' | 'teardown') => ({ type: 'test', fixture: { title, phase } })
const close = (opened: net.Server[]): void => opened.forEach((server) => void server.close())

describe.each(['_runWithTimeout', '_runAsStage'])('if Playwright runs everything through %s', (method) => {
  test('a test owns the sockets of its fixtures, not those of the file and the worker', async () => {
    const [opened, kept]: [net.Server[], net.Server[]] = [[], []]
    const check = new PlaywrightCheck()
    const info = playwright(method)
    check.beginTest(info, QUIET)
    await info.run({ type: 'beforeAll' }, () => leak(kept))
    await info.run(fixture('of the worker', 'setup'), () => leak(kept))
    await info.run(fixture('of the test', 'setup'), () => leak(opened))
    await info.run({ type: 'test' }, () => leak(opened))
    await info.run({ type: 'afterEach' }, () => leak(opened))
    await info.run(fixture('of the test', 'teardown'), async () => {})
    await expect(check.endTest(info)).rejects.toThrow(/^portside: 'a group › a test' left 3 sockets open/)
    expect(opened.map(({ listening }) => listening)).toEqual([false, false, false])
    await expect(check.endProcess(false)).rejects.toThrow(/^portside: 2 sockets left open/)
    expect(kept.map(({ listening }) => listening)).toEqual([false, false])
  })

  test('a test without the check is not reported, also not when the worker ends', async () => {
    const opened: net.Server[] = []
    const check = new PlaywrightCheck()
    const [unchecked, checked] = [playwright(method), playwright(method)]
    check.beginTest(unchecked, 'off')
    await unchecked.run({ type: 'test' }, () => leak(opened))
    await check.endTest(unchecked)
    check.beginTest(checked, QUIET)
    await check.endTest(checked)
    await check.endProcess(false)
    expect(opened[0]?.listening).toBe(true)
    close(opened)
  })
})

describe('if Playwright has no method that portside knows', () => {
  test('sockets that a test leaves open are reported when the worker ends', async () => {
    const opened: net.Server[] = []
    const check = new PlaywrightCheck()
    const info = playwright('_runAnew')
    check.beginTest(info, QUIET)
    await info.run({ type: 'test' }, () => leak(opened))
    await check.endTest(info)
    await expect(check.endProcess(false)).rejects.toThrow(/^portside: 1 socket left open/)
  })
})
