import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { MessageChannel, Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { LeakCheck, type RunnerOptions } from '../../src/leaks/leak-check.js'

const stops: Array<() => unknown> = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

/** Runs a function as a test, and stops its result after the check of the file. */
async function afterTest<T>(
  start: () => T,
  stop: (started: T) => unknown,
  leaks: RunnerOptions['leaks'] = { alive: 'fail' },
  settings?: ConstructorParameters<typeof LeakCheck>[2],
): Promise<string | undefined> {
  const check = new LeakCheck(undefined, { leaks }, settings)
  const owner = check.beginTest('a test')
  const started = check.run(owner, start)
  stops.push(() => stop(started))
  expect(await check.endTest(owner)).toBeUndefined()
  return (await check.endFile())?.message
}

const HERE = 'test/leaks/alive\\.test\\.ts:\\d+:\\d+'
const killed = (child: ChildProcess) => child.kill()
const program = (options: object) => spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], options)

describe('a report names what keeps the process alive:', () => {
  test.for<[string, () => unknown, (started: never) => unknown, RegExp]>([
    [
      'an interval',
      () => setInterval(function poll() {}, 700),
      clearInterval,
      new RegExp(`interval of 700 ms, calls poll at ${HERE}, by the test 'a test'; fix: clearInterval\\(\\)`),
    ],
    [
      'a timer that is due in a minute',
      () => setTimeout(() => {}, 60_000),
      clearTimeout,
      new RegExp(`timer of 60000 ms, due in \\d+ ms, calls ${HERE}, by the test 'a test'; fix: clearTimeout\\(\\)`),
    ],
    [
      'a child process',
      () => program({ stdio: 'ignore' }),
      killed,
      new RegExp(
        `child process \\d+ \\(.* -e .*\\), started at ${HERE}.*, by the test 'a test'; fix: child\\.kill\\(\\)`,
      ),
    ],
    [
      'a worker thread',
      () => new Worker('setInterval(() => {}, 1000)', { eval: true }),
      (worker: Worker) => worker.terminate(),
      new RegExp(`worker thread \\d+, started at ${HERE}, by the test 'a test'; fix: await worker\\.terminate\\(\\)`),
    ],
    [
      'a watcher',
      () => fs.watch(tmpdir(), function changed() {}),
      (watcher: fs.FSWatcher) => watcher.close(),
      new RegExp(`watcher of files, calls changed at ${HERE}; fix: watcher\\.close\\(\\)`),
    ],
    [
      'a watcher of a file',
      () => fs.watchFile(import.meta.filename, () => {}),
      () => fs.unwatchFile(import.meta.filename),
      /watcher of a file, calls .*; fix: fs\.unwatchFile\(\)/,
    ],
    [
      'a message port',
      () => new MessageChannel().port1.on('message', function heard() {}),
      (port: MessageChannel['port1']) => port.close(),
      new RegExp(`message port, calls heard at ${HERE}; fix: port\\.close\\(\\)`),
    ],
  ] as never)('%s', async ([, start, stop, line]) => {
    const message = await afterTest(start, stop as (started: unknown) => unknown)
    expect(message).toMatch(/^portside: this process does not exit\. Keeping it alive:\n {2}/)
    expect(message).toMatch(line)
    expect(message?.split('\n'), message).toHaveLength(2)
  })
})

describe('a report does not name', () => {
  test.for<[string, () => unknown, (started: never) => unknown]>([
    ['a timer that fires soon', () => setTimeout(() => {}, 500), clearTimeout],
    ["an unref'd interval", () => setInterval(() => {}, 700).unref(), clearInterval],
    [
      "an unref'd worker thread",
      () => {
        const worker = new Worker('setInterval(() => {}, 1000)', { eval: true })
        worker.unref()
        return worker
      },
      (worker: Worker) => worker.terminate(),
    ],
    [
      "an unref'd child process",
      () => {
        const child = program({ stdio: 'ignore' })
        child.unref()
        return child
      },
      killed,
    ],
    [
      'a killed child process',
      () => {
        const child = program({ stdio: 'ignore' })
        child.kill()
        return child
      },
      killed,
    ],
    [
      'a message port without a listener',
      () => new MessageChannel(),
      (channel: MessageChannel) => channel.port1.close(),
    ],
  ] as never)('%s', async ([, start, stop]) => {
    expect(await afterTest(start as () => unknown, stop as (started: unknown) => unknown)).toBeUndefined()
  })

  test('a timer from before the file', async () => {
    const { port1 } = new MessageChannel()
    port1.on('message', () => {})
    stops.push(() => port1.close())
    expect(
      await afterTest(
        () => {},
        () => {},
      ),
    ).toBeUndefined()
  })

  test('a timer of an earlier file that was reported', async () => {
    expect(await afterTest(() => setInterval(() => {}, 700), clearInterval)).toContain('interval of 700 ms')
    expect(
      await afterTest(
        () => {},
        () => {},
      ),
    ).toBeUndefined()
  })
})

describe('by default', () => {
  const interval = () => setInterval(() => {}, 700)

  test('it prints the report without failing in a runner that waits', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    stops.push(() => warn.mockRestore())
    expect(await afterTest(interval, clearInterval, {}, { waits: true })).toBeUndefined()
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('interval of 700 ms'))
  })

  test('it does not look in a runner that ends its workers', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    stops.push(() => warn.mockRestore())
    expect(await afterTest(interval, clearInterval, {})).toBeUndefined()
    expect(warn).not.toHaveBeenCalled()
  })

  test('it lists the open sockets first', async () => {
    const { createServer } = await import('node:net')
    const check = new LeakCheck(undefined, { leaks: { kernel: false } }, { waits: true })
    const started = check.run(
      check.ofFile('a file'),
      () => [createServer().listen(0, '127.0.0.1'), interval()] as const,
    )
    stops.push(() => clearInterval(started[1]))
    const error = await check.endFile()
    expect(error?.message).toMatch(
      / 1 socket left open\.[\s\S]*\n\nAlso keeping this process alive:\n {2}interval of 700 ms/,
    )
  })
})
