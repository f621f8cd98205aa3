import { once } from 'node:events'
import net from 'node:net'
import timers from 'node:timers/promises'
import { Redis } from 'ioredis'
import { io } from 'socket.io-client'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { findLeaks, listenTcp, refusedEndpoint, snapshotSockets, verifyNoLeaks } from '../../src/index.js'
import { Dials } from '../../src/leaks/dials.js'
import { LeakCheck, type RunnerOptions } from '../../src/leaks/leak-check.js'
import { until } from '../support/clients.js'

type Target = { readonly address: string; readonly port: number }
type Stop = () => void

/** Connects until it is stopped or has made `attempts` attempts, with a pause between two attempts. */
function dialler(target: Target | string, { pause = 20, attempts = Number.POSITIVE_INFINITY } = {}) {
  let made = 0
  let closed = 0
  let timer: NodeJS.Timeout | undefined
  let socket: net.Socket
  const dial = (): void => {
    made++
    socket = typeof target === 'string' ? net.connect(target) : net.connect(target.port, target.address)
    socket.on('error', () => {})
    socket.once('close', () => {
      closed++
      if (made < attempts) timer = setTimeout(dial, pause)
    })
  }
  dial()
  return {
    get closed() {
      return closed
    },
    failed: () => until(() => closed > 0),
    stop() {
      attempts = 0
      clearTimeout(timer)
      socket.destroy()
    },
  }
}

const checkOf = (leaks: RunnerOptions['leaks'] = {}): LeakCheck =>
  new LeakCheck(undefined, { leaks: { kernel: false, ...(leaks as object) } })

/** The error at the end of a file in which one test has run. */
async function afterTest(run: () => unknown, leaks?: RunnerOptions['leaks']): Promise<Error | undefined> {
  const check = checkOf(leaks)
  const owner = check.beginTest('a test')
  await check.run(owner, run)
  return (await check.endTest(owner)) ?? check.endFile()
}

const stops: Stop[] = []
afterEach(() => {
  for (const stop of stops.splice(0)) stop()
})
function stoppedLater<T extends { stop: Stop }>(client: T): T {
  stops.push(() => client.stop())
  return client
}

async function refused(): Promise<Target> {
  const endpoint = await refusedEndpoint()
  stops.push(() => void endpoint.close())
  return endpoint
}

describe('a client that reconnects', () => {
  test('is reported with its test, its target and the last answer', async () => {
    const target = await refused()
    const error = await afterTest(async () => {
      const client = stoppedLater(dialler(target))
      await client.failed()
    })
    expect(error?.message).toMatch(
      new RegExp(
        [
          "^portside: 'a test' left 1 client that reconnects\\.",
          '',
          `1\\. client of 127\\.0\\.0\\.1:${target.port}, not connected`,
          '  connect at test/leaks/redials\\.test\\.ts:\\d+:\\d+ in dial',
        ].join('\n'),
      ),
    )
    expect(error?.message).toMatch(/ {2}attempts {3}\d+ failed, last answer: ECONNREFUSED/)
    expect(error).toMatchObject({ code: 'ERR_PORTSIDE_LEAK' })
  })

  test('is found when its connection is cut', async () => {
    const server = await listenTcp((socket) => void socket.end())
    const error = await afterTest(async () => {
      const client = stoppedLater(dialler(server))
      await client.failed()
      await server.close()
    })
    expect(error?.message).toContain("'a test' left 1 client that reconnects")
  })

  test('is found when a hook of the file began it, and its connection is cut in the last hook', async () => {
    const check = checkOf()
    const [file, accepted] = [check.ofFile(), new Set<net.Socket>()]
    const server = await listenTcp((socket) => void accepted.add(socket))
    await check.run(file, async () => {
      stoppedLater(dialler(server))
      await until(() => accepted.size > 0)
    })
    void server.close({ grace: 0 })
    for (const socket of accepted) socket.destroy()
    expect((await check.endFile())?.message).toMatch(/^portside: 1 client that reconnects\.\n\n1\. client of /)
    await server.close()
  })

  test('is found on a path', async () => {
    const error = await afterTest(() => stoppedLater(dialler('/nowhere/portside.sock')).failed())
    expect(error?.message).toMatch(/client of \/nowhere\/portside\.sock, not connected[\s\S]*last answer: ENOENT/)
  })

  test('is found without a pause between two attempts', async () => {
    const target = await refused()
    let stopped = false
    stops.push(() => {
      stopped = true
    })
    const dial = (): void => {
      const socket = net.connect(target.port, target.address).on('error', () => {})
      socket.once('close', () => stopped || dial())
    }
    const check = checkOf()
    const owner = check.beginTest('a test')
    await check.run(owner, async () => {
      dial()
      await timers.setTimeout(20)
    })
    await check.endTest(owner)
    expect((await check.endFile())?.message).toContain('1 client that reconnects')
  })

  test('is found after the test has replaced setTimeout', async () => {
    const target = await refused()
    const error = await afterTest(async () => {
      const real = globalThis.setTimeout
      globalThis.setTimeout = ((...args: Parameters<typeof setTimeout>) => real(...args)) as typeof setTimeout
      onTestFinished(() => {
        globalThis.setTimeout = real
      })
      await stoppedLater(dialler(target)).failed()
    })
    expect(error?.message).toContain('1 client that reconnects')
  })

  test.for([
    ['before its first attempt', (dial: () => unknown) => setInterval(dial, 60)],
    [
      'after its first attempt has failed',
      async (dial: () => Promise<unknown>) => {
        await dial()
        return setInterval(dial, 60)
      },
    ],
  ] as const)('is found by an interval that was set %s', async ([, start]) => {
    const target = await refused()
    const check = checkOf()
    const owner = check.beginTest('a test')
    let dials = 0
    const dial = () => {
      dials++
      const socket = net.connect(target.port, target.address).on('error', () => {})
      return new Promise((resolve) => void socket.once('close', resolve))
    }
    const interval = await check.run(owner, () => start(dial))
    stops.push(() => clearInterval(interval))
    await until(() => dials > 1)
    await check.endTest(owner)
    expect((await check.endFile())?.message).toContain('1 client that reconnects')
  })

  test('is reported as a socket when it connects in the wait', async () => {
    const target = await refused()
    const server = net.createServer()
    const error = await afterTest(
      async () => {
        const client = stoppedLater(dialler(target, { pause: 50 }))
        await client.failed()
        server.listen(target.port, target.address)
        await once(server, 'listening')
        server.unref()
      },
      { ignore: [{ kind: 'listener' }, { kind: 'accepted' }] },
    )
    server.close()
    expect(error?.message).toMatch(/^portside: '?.*left (1 socket|2 sockets) open\./)
    expect(error?.message).not.toContain('reconnects')
  })

  test('is named with the call of its package', async () => {
    const target = await refused()
    const error = await afterTest(async () => {
      const redis = new Redis({ host: target.address, port: target.port, retryStrategy: () => 20 })
      redis.on('error', () => {})
      stops.push(() => redis.disconnect())
      await new Promise((resolve) => redis.once('reconnecting', resolve))
    })
    expect(error?.message).toMatch(/connect at .* by ioredis; your code was not on the stack/)
    expect(error?.message).toMatch(/attempts {3}\d+ failed, last answer: ECONNREFUSED; next attempt in \d+ ms/)
    expect(error?.message).toContain('fix        call redis.quit()')
  })

  test('does not delay the file longer than the option allows', async () => {
    const target = await refused()
    const leave = () => stoppedLater(dialler(target, { pause: 300 })).failed()
    expect(await afterTest(leave, { redialWait: 100 })).toBeUndefined()
    expect(await afterTest(leave, { redialWait: 0 })).toBeUndefined()
    expect(await afterTest(leave)).toBeDefined()
  })

  test('is found without a wait if it has reconnected after its test', async () => {
    const target = await refused()
    const check = checkOf({ redialWait: 0 })
    const owner = check.beginTest('a test')
    const client = await check.run(owner, async () => stoppedLater(dialler(target, { pause: 10 })))
    await client.failed()
    await check.endTest(owner)
    await until(() => client.closed > 2)
    expect((await check.endFile())?.message).toContain('1 client that reconnects')
  })

  test('is found by findLeaks and verifyNoLeaks', async () => {
    const target = await refused()
    const since = snapshotSockets()
    await stoppedLater(dialler(target)).failed()
    const [leak] = await findLeaks(since)
    expect(leak).toMatchObject({ kind: 'client', remote: { port: target.port }, redials: { answer: 'ECONNREFUSED' } })
    await expect(verifyNoLeaks(since)).rejects.toThrow('portside: 1 client that reconnects.')
  })

  test('fails its test if the runner can still do that', async () => {
    const target = await refused()
    const failed: Array<[string, string]> = []
    const failEnded = (owner: { name: string }, error: Error): boolean => {
      failed.push([owner.name, error.message.split('\n', 1)[0] as string])
      return true
    }
    const check = new LeakCheck(undefined, { leaks: { kernel: false } }, { failEnded })
    for (const name of ['one', 'two']) {
      const owner = check.beginTest(name)
      await check.run(owner, () => stoppedLater(dialler(target)).failed())
      await check.endTest(owner)
    }
    expect(await check.endFile()).toBeUndefined()
    expect(failed).toEqual([
      ['one', "portside: 'one' left 1 client that reconnects."],
      ['two', "portside: 'two' left 1 client that reconnects."],
    ])
  })

  test('is reported once, and not by the next file', async () => {
    const target = await refused()
    expect(await afterTest(() => stoppedLater(dialler(target)).failed())).toBeDefined()
    const next = checkOf()
    await timers.setTimeout(60)
    expect(await next.endFile()).toBeUndefined()
  })
})

test('the end of a file does not wait for a client that a rule names', async () => {
  const target = await refused()
  const check = checkOf({ ignore: [{ function: 'dial' }] })
  const owner = check.beginTest('a test')
  const client = stoppedLater(check.run(owner, () => dialler(target, { pause: 60_000 })))
  await client.failed()
  await check.endTest(owner)
  const waited = vi.spyOn(Dials.prototype, 'timersOf')
  onTestFinished(() => void waited.mockRestore())
  expect(await check.endFile()).toBeUndefined()
  expect(waited).not.toHaveBeenCalled()
})

describe('the end of a file does not report', () => {
  test.for<[string, (target: Target) => unknown, RunnerOptions['leaks']?]>([
    [
      'a client that was stopped',
      async (target) => {
        const client = dialler(target)
        await client.failed()
        client.stop()
      },
    ],
    [
      'a client that has finished its attempts',
      async (target) => {
        const client = stoppedLater(dialler(target, { pause: 5, attempts: 3 }))
        await until(() => client.closed === 3)
      },
    ],
    [
      'a client that finishes its attempts in the wait',
      (target) => stoppedLater(dialler(target, { attempts: 1 })).failed(),
    ],
    [
      'a refused connect, and a timer that does something else',
      async (target) => {
        await dialler(target, { attempts: 1 }).failed()
        setTimeout(() => {}, 50)
      },
    ],
    [
      'a refused connect, and a timer of the test that is longer than the wait',
      async (target) => {
        await dialler(target, { attempts: 1 }).failed()
        const timer = setTimeout(() => {}, 60_000)
        stops.push(() => clearTimeout(timer))
      },
    ],
    [
      'a client that a rule names',
      (target) => stoppedLater(dialler(target)).failed(),
      { ignore: [{ function: 'dial' }] },
    ],
    [
      'a client of ioredis that has quit',
      async (target) => {
        const redis = new Redis({
          host: target.address,
          port: target.port,
          retryStrategy: () => 20,
          disconnectTimeout: 20,
        })
        redis.on('error', () => {})
        await new Promise((resolve) => redis.once('reconnecting', resolve))
        redis.disconnect()
      },
    ],
    [
      'a client of socket.io that was disconnected',
      async (target) => {
        const socket = io(`http://${target.address}:${target.port}`, {
          transports: ['websocket'],
          reconnectionDelay: 20,
        })
        await new Promise((resolve) => socket.once('connect_error', resolve))
        socket.disconnect()
      },
    ],
  ])('%s', async ([, run, leaks]) => {
    const target = await refused()
    expect((await afterTest(() => run(target), leaks))?.message).toBeUndefined()
  })
})
