import net from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { trackMainProcess } from '../../src/leaks/main-process.js'
import { runOf } from '../../src/runners/vitest-main.js'

// In Vitest itself: test/package/entries.test.ts.

trackMainProcess()

/** Vitest as a plugin sees it. Its close waits for a teardown. */
function vitestOf(projects: ReadonlyArray<{ name: string; leaks?: 'fail' | 'warn' | 'off' }>) {
  const said: string[] = []
  const hooks: Array<() => Promise<void>> = []
  let end = (): void => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const vitest = {
    config: { reporters: [] as Array<{ onTestRunStart(): void }>, teardownTimeout: 20 },
    projects: projects.map(({ name, leaks }) => ({
      name,
      config: { setupFiles: [], ...(leaks === undefined ? {} : { provide: { portside: { leaks, plugin: true } } }) },
      provide() {},
      async close() {},
    })),
    logger: { error: (line: string) => void said.push(line) },
    onClose: (hook: () => Promise<void>) => void hooks.push(hook),
    async close() {
      await ended
      for (const hook of hooks) await hook()
    },
  }
  for (const project of vitest.projects.filter(({ config }) => 'provide' in config)) runOf(vitest).add(project)
  return { vitest, said, end }
}

test('a run says once what is on in which project, also if it reruns', () => {
  const { vitest, said } = vitestOf([{ name: 'a', leaks: 'fail' }, { name: 'b', leaks: 'warn' }, { name: 'c' }])
  expect(vitest.config.reporters).toHaveLength(1)
  for (let run = 0; run < 2; run++) for (const reporter of vitest.config.reporters) reporter.onTestRunStart()
  expect(said).toEqual([
    'portside: leak check on, fail; kernel once a file (a) | on, warn; kernel once a file (b) | off (c)',
  ])
})

test('reports what is open while a teardown does not end; after it, fails the run and closes the sockets', async () => {
  const { vitest, said, end } = vitestOf([
    { name: 'a', leaks: 'warn' },
    { name: 'b', leaks: 'fail' },
  ])
  const server = net.createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  const before = process.exitCode
  const closing = vitest.close()
  await vi.waitFor(() => expect(said).toHaveLength(1))
  expect(said[0]).toMatch(/^portside: Vitest waits for a global teardown\. Open in its main process:\n+1\. listener /)
  expect(process.exitCode).toBe(before)
  expect(server.listening).toBe(true)
  end()
  await closing
  const after = process.exitCode
  process.exitCode = before
  expect(said[1]).toMatch(/^portside: 1 socket left open in the main process of Vitest\.\n/)
  expect(after).toBe(1)
  await vi.waitFor(() => expect(server.listening).toBe(false))
})
