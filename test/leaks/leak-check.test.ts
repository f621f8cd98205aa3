import { createHook } from 'node:async_hooks'
import { spawn } from 'node:child_process'
import dgram from 'node:dgram'
import { EventEmitter, once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ignoreLeaks, listenHttp, listenTcp, type TestServer, verifyNoLeaks } from '../../src/index.js'
import { LeakCheck, type RunnerOptions } from '../../src/leaks/leak-check.js'
import { snapshotSockets } from '../../src/leaks/snapshot.js'
import { datagramHandle, handleOf, isRef } from '../../src/platform/node-internals.js'
import { until } from '../support/clients.js'
import { needsKernel } from '../support/kernel.js'

let server: TestServer
beforeAll(async () => {
  server = await listenTcp()
})
afterAll(() => server.close({ grace: 0 }))

describe('the check of a test', () => {
  test('reports nothing when no socket was used', async () => {
    const check = checkOf()
    const owner = check.beginTest('a test')
    expect(await check.endTest(owner)).toBeUndefined()
  })

  test('reports a listener that a synchronous test opened in its last line', async () => {
    const check = checkOf()
    const owner = check.beginTest('a test')
    const server = check.run(owner, () => net.createServer().listen(0, '127.0.0.1'))
    const error = await check.endTest(owner)
    expect(error?.message).toMatch(/^portside: 'a test' left 1 socket open\./)
    server.close()
  })

  test('reports the open sockets of the test, and the file does not report them again', async () => {
    const check = checkOf()
    const owner = check.beginTest('a test')
    await check.run(owner, dialled)
    const error = await check.endTest(owner)
    expect(error).toMatchObject({ name: 'LeakError', code: 'ERR_PORTSIDE_LEAK' })
    expect(error?.message).toMatch(/^portside: 'a test' left 2 sockets open\./)
    // A runner would print every enumerable field.
    expect(Object.keys(error as object)).toEqual(['code'])
    expect(await check.endFile()).toBeUndefined()
  })

  test('does not report sockets of another test or of the file', async () => {
    const check = checkOf()
    const [one, other] = [check.beginTest('one'), check.beginTest('other')]
    await Promise.all([check.run(one, dialled), check.run(other, async () => (await dialled()).destroy()), dialled()])
    expect(await check.endTest(other)).toBeUndefined()
    expect((await check.endTest(one))?.message).toContain("'one' left 2 sockets open")
    expect((await check.endFile())?.message).toContain('portside: 2 sockets left open')
  })

  test('leaves sockets that were opened after the test to the file, which names the test', async () => {
    const check = checkOf()
    const owner = check.beginTest('a test')
    let socket: net.Socket | undefined
    await check.run(owner, async () => {
      setTimeout(() => void dialled().then((opened) => (socket = opened)), 5)
    })
    expect(await check.endTest(owner)).toBeUndefined()
    await until(() => socket)
    const error = await check.endFile()
    expect(error?.message).toContain('  test       a test, which had already ended')
  })

  test('reports a pooled connection again that another test leaves in use', async () => {
    const web = await listenHttp((_request, response) => response.end('x'.repeat(4_000_000)))
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    onTestFinished(() => void web.close({ grace: 0 }))
    const check = checkOf()
    for (const name of ['first', 'second']) {
      const owner = check.beginTest(name)
      const asked = check.run(owner, () => http.get(web.url, { agent }))
      const [response] = await once(asked, 'response')
      expect((await check.endTest(owner))?.message).toContain(`'${name}' left 2 sockets open`)
      await once(response.resume(), 'close')
    }
  })

  test('does not report what verifyNoLeaks has reported', async () => {
    const check = checkOf()
    const owner = check.beginTest('a test')
    await check.run(owner, async () => {
      const since = snapshotSockets()
      await dialled()
      await expect(verifyNoLeaks(since)).rejects.toMatchObject({ code: 'ERR_PORTSIDE_LEAK' })
    })
    expect(await check.endTest(owner)).toBeUndefined()
  })
})

describe('the kernel', () => {
  test('is asked at the end of the file, and after each test with kernel: true; each socket is reported once', async (context) => {
    needsKernel(context)
    for (const kernel of [undefined, true, false]) {
      const check = checkOf({ leaks: { ...(kernel === undefined ? {} : { kernel }) } })
      const [one, other] = [check.beginTest('one'), check.beginTest('other')]
      const worker = await check.run(one, listeningThread)
      const errors = [await check.endTest(one), await check.endTest(other), await check.endFile()]
      await worker.terminate()
      const told = errors.map((error) => error?.message.includes('untracked') ?? false)
      expect(told).toEqual([kernel === true, false, kernel === undefined])
    }
  })
})

describe('the options', () => {
  test('mode: warn prints, off does not look', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    onTestFinished(() => void warn.mockRestore())
    for (const leaks of ['off', { mode: 'warn' }] as const) {
      const check = checkOf({ leaks })
      const owner = check.beginTest('a test')
      await check.run(owner, dialled)
      expect(await check.endTest(owner)).toBeUndefined()
      expect(await check.endFile()).toBeUndefined()
    }
    expect(warn.mock.calls).toEqual([[expect.stringContaining("'a test' left 2 sockets open")]])
  })

  test('PORTSIDE_LEAKS overrides the mode', async () => {
    vi.stubEnv('PORTSIDE_LEAKS', 'off')
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(checkOf({ leaks: 'fail' }).options.mode).toBe('off')
    vi.stubEnv('PORTSIDE_LEAKS', '')
    expect(checkOf({ leaks: 'warn' }).options.mode).toBe('warn')
    vi.stubEnv('PORTSIDE_LEAKS', 'loud')
    expect(() => checkOf()).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }))
  })

  test('are rejected if they are invalid', () => {
    expect(() => checkOf({ leaks: { ignore: [{}] } } as never)).toThrow(
      /a rule with function, endpoint, kind or package/,
    )
    expect(() => checkOf({ leaks: 'never' } as never)).toThrow(/'fail', 'warn' or 'off'/)
  })

  test('ignore applies to tests and to the file', async () => {
    const check = checkOf({ leaks: { ignore: [{ endpoint: { port: server.port } }] } })
    const owner = check.beginTest('a test')
    await Promise.all([check.run(owner, dialled), dialled()])
    expect(await check.endTest(owner)).toBeUndefined()
    expect(await check.endFile()).toBeUndefined()
  })

  test('close: true closes at once; by default, sockets that the runner would wait for close at the end of the file', async () => {
    for (const [leaks, waits, atOnce, atTheEnd] of [
      [{ close: true }, false, true, true],
      [{}, true, false, true],
      [{}, false, false, false],
      [{ close: false }, true, false, false],
    ] as const) {
      const check = checkOf({ leaks }, waits)
      const owner = check.beginTest('a test')
      const socket = await check.run(owner, dialled)
      await check.endTest(owner)
      expect(socket.destroyed).toBe(atOnce)
      await check.endFile()
      expect(socket.destroyed).toBe(atTheEnd)
    }
  })
})

describe('at the end of a file for which the runner would wait', () => {
  test('mode: warn closes nothing, and no reported socket keeps the process alive', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    onTestFinished(() => void warn.mockRestore())
    const check = checkOf({ leaks: 'warn' }, true)
    const owner = check.beginTest('a test')
    const [socket, listener, udp] = await check.run(owner, async () => {
      const listener = net.createServer().listen(0, '127.0.0.1')
      const udp = dgram.createSocket('udp4').bind(0, '127.0.0.1')
      await Promise.all([once(listener, 'listening'), once(udp, 'listening')])
      return [await dialled(), listener, udp]
    })
    const objections: string[] = []
    for (const each of [socket, listener, udp]) each.once('close', () => objections.push('closed'))
    const file = check.beginTest('another test')
    const program = check.run(file, () => spawn(process.execPath, ['-e', 'process.stdin.resume()']))
    onTestFinished(() => void program.kill())
    await check.endTest(file)
    expect(await check.endTest(owner)).toBeUndefined()
    expect(await check.endFile()).toBeUndefined()
    expect(warn).toHaveBeenCalledTimes(2)
    expect(objections).toEqual([])
    expect(program.killed).toBe(false)
    const handles = [handleOf(socket), handleOf(listener), handleOf(program.stdout), handleOf(program.stdin)]
    expect([...handles.map(isRef), isRef(datagramHandle(udp))]).toEqual([false, false, false, false, false])
    listener.close()
    udp.close()
    expect(await checkOf().endFile()).toBeUndefined()
  })

  test('mode: warn closes a socket with a write that would keep the process alive', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    onTestFinished(() => void warn.mockRestore())
    const check = checkOf({ leaks: 'warn' }, true)
    const owner = check.beginTest('a test')
    const socket = await check.run(owner, dialled)
    server.server.once('connection', (accepted) => accepted.pause())
    socket.on('error', () => {})
    const stuck = await check.run(owner, dialled)
    while (stuck.write(Buffer.alloc(1_000_000)));
    await check.endTest(owner)
    await check.endFile()
    expect([socket.destroyed, stuck.destroyed]).toEqual([false, true])
  })

  test('a client that throws because its socket closes does not hide the report', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    onTestFinished(() => void warn.mockRestore())
    const check = checkOf({}, true)
    const socket = await dialled()
    socket.once('close', () => new EventEmitter().emit('error', new Error('minds')))
    const owner = check.beginTest('a test')
    const another = await check.run(owner, dialled)
    another.once('close', () => new EventEmitter().emit('error', new Error('minds')))
    expect(await check.endTest(owner)).toBeDefined()
    expect((await check.endFile())?.message).toContain('left open')
    expect([socket.destroyed, another.destroyed]).toEqual([true, true])
    const line = 'portside: a client threw when its leaked socket closed: Error: minds'
    expect(warn.mock.calls).toEqual([[line], [line]])
  })
})

describe('a fixture that outlives its test', () => {
  test('has sockets of its own, which are checked when it is torn down', async () => {
    const check = checkOf()
    const owner = check.beginTest('a test')
    let tearDown = (): void => {}
    let torn: Promise<Error | undefined> | undefined
    await check.run(owner, async () => {
      await new Promise<void>((ready) => {
        torn = check.runFixture('database', async () => {
          const closed = await dialled()
          const left = await dialled()
          await new Promise<void>((resolve) => {
            tearDown = resolve
            ready()
          })
          closed.destroy()
          expect(left.destroyed).toBe(false)
        })
      })
    })
    expect(await check.endTest(owner)).toBeUndefined()
    expect(await check.endFile()).toBeUndefined()
    tearDown()
    expect((await torn)?.message).toMatch(/^portside: 2 sockets left open in the fixture 'database'\.\n\n1\. client /)
    expect(await check.endFile()).toBeUndefined()
  })

  test('throws its own error', async () => {
    const broken = checkOf().runFixture('database', async () => {
      throw new Error('its own error')
    })
    await expect(broken).rejects.toThrow('its own error')
  })

  test('passes if it opens nothing', async () => {
    expect(await checkOf().runFixture('clock', async () => {})).toBeUndefined()
    expect(await checkOf({ leaks: 'off' }).runFixture('clock', async () => {})).toBeUndefined()
  })
})

describe('a socket that a rule ignores', () => {
  test.each<{ where: string; leaks: RunnerOptions['leaks']; run: () => unknown }>([
    { where: 'the configuration', leaks: { ignore: [{ function: 'dialled' }] }, run: dialled },
    {
      where: 'the test',
      leaks: {},
      run: () => {
        ignoreLeaks({ function: 'dialled' })
        return dialled()
      },
    },
  ])('sets no timer of the grace, with a rule in $where', async ({ leaks, run }) => {
    const check = checkOf({ leaks })
    const owner = check.beginTest('a test')
    await check.run(owner, run)
    const waits = timersOf('grace')
    expect(await check.endTest(owner)).toBeUndefined()
    expect(waits()).toBe(0)
  })

  test('does not end the grace of another socket', async () => {
    const check = checkOf({ leaks: { ignore: [{ kind: 'accepted' }] } })
    const owner = check.beginTest('a test')
    const socket = await check.run(owner, dialled)
    const waits = timersOf('grace', () => void setImmediate(() => socket.destroy()))
    expect(await check.endTest(owner)).toBeUndefined()
    expect(waits()).toBeGreaterThan(0)
  })
})

describe('ignoreLeaks', () => {
  test('in a test applies to that test, in a file to the file', async () => {
    const check = checkOf()
    const [one, other] = [check.beginTest('one'), check.beginTest('other')]
    await check.run(one, async () => {
      ignoreLeaks()
      await dialled()
    })
    await check.run(other, dialled)
    expect(await check.endTest(one)).toBeUndefined()
    expect(await check.endTest(other)).toBeDefined()
    ignoreLeaks({ kind: 'client' }, { kind: 'accepted' })
    await dialled()
    expect(await check.endFile()).toBeUndefined()
  })

  test('in a test without rules turns the check off', async () => {
    const check = checkOf()
    const owner = check.beginTest('a test')
    await check.run(owner, async () => {
      ignoreLeaks()
      await dialled()
    })
    expect(await check.endTest(owner)).toBeUndefined()
    expect(await check.endFile()).toBeUndefined()
  })

  test('with rules still reports the rest', async () => {
    const check = checkOf()
    const owner = check.beginTest('a test')
    await check.run(owner, async () => {
      ignoreLeaks({ kind: 'accepted', because: 'the server hangs up' })
      await dialled()
    })
    expect((await check.endTest(owner))?.message).toContain('left 1 socket open')
    expect(await check.endFile()).toBeUndefined()
  })

  test('applies to the file that calls if the runner has not named the file', async () => {
    const check = new LeakCheck(undefined, undefined)
    ignoreLeaks()
    const owner = check.beginTest('a test', import.meta.filename)
    const elsewhere = check.beginTest('another', 'other.test.ts')
    await Promise.all([check.run(owner, dialled), check.run(elsewhere, dialled)])
    expect(await check.endTest(owner)).toBeUndefined()
    expect(await check.endTest(elsewhere)).toBeDefined()
  })
})

/** The check of another file. It ignores sockets that are already open in this process. */
function checkOf(options?: RunnerOptions, waits = false): LeakCheck {
  return new LeakCheck(`file-${++files}.test.ts`, options, { waits })
}
let files = 0

/** Counts the timers that a file of the leak check sets from now on. */
function timersOf(file: string, first = (): void => {}): () => number {
  let count = 0
  const init = (_id: number, type: string): void => {
    if (type === 'Timeout' && new Error().stack?.includes(`/src/leaks/${file}.ts`) && ++count === 1) first()
  }
  const hook = createHook({ init }).enable()
  return () => {
    hook.disable()
    return count
  }
}

/** Starts a thread with a listener that this thread does not know. */
async function listeningThread(): Promise<Worker> {
  const code = `const { parentPort } = require('node:worker_threads')
    require('node:net').createServer().listen(0, '127.0.0.1', () => parentPort.postMessage(1))`
  const worker = new Worker(code, { eval: true })
  await once(worker, 'message')
  return worker
}

async function dialled(): Promise<net.Socket> {
  const socket = net.connect(server.port, server.address)
  onTestFinished(() => void socket.destroy())
  await once(
    socket.on('error', () => {}),
    'connect',
  )
  return socket
}
