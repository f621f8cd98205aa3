import { describe, expect, it, type TestContext } from 'vitest'
import { createScope, listenTcp, reservePort, type SpawnListeningOptions, spawnListening } from '../../src/index.js'
import { whyNoDescriptorPassing } from '../../src/platform/descriptor-passing.js'
import { HERE_FAMILY } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { failureOf, node } from './programs.js'

leavesNothingOpen({ lingers: true })

/** Listens on the port of its argument, or on its descriptor, and prints the argument. */
const PROGRAM = `
  const [port, host] = process.argv.slice(1)
  const { LISTEN_FDS } = process.env
  const server = require('node:net').createServer((socket) => socket.end())
  server.listen(LISTEN_FDS ? { fd: 3 } : { port, host }, () => console.log('argument ' + port))`

const args = (port: number): string[] => ['-e', PROGRAM, String(port)]

type Options = SpawnListeningOptions & { port?: Exclude<SpawnListeningOptions['port'], 'any'> }

const WAYS: Readonly<Record<string, (port: () => Promise<number>) => Promise<Options>>> = {
  'a free port': async () => ({}),
  'port 0': async () => ({ port: 0 }),
  'a number': async (free) => ({ port: await free() }),
  'a family': async () => ({ family: HERE_FAMILY }),
  'a host': async () => ({ host: 'localhost' }),
  'its descriptor': async () => ({ by: 'descriptor' }),
  'its descriptor, on a number': async (free) => ({ by: 'descriptor', port: await free() }),
}

async function freePort(): Promise<number> {
  await using reservation = await reservePort()
  return reservation.port
}

function needsSupport({ by }: Options, context: TestContext): void {
  const why = by === 'descriptor' ? whyNoDescriptorPassing('node') : undefined
  if (why !== undefined) context.skip(why)
}

describe('arguments that are a function of the port', () => {
  it.for(Object.entries(WAYS))('get the number of %s, once', async ([, way], context) => {
    const options = await way(freePort)
    needsSupport(options, context)
    const numbers: unknown[] = []
    const counted = (...given: [port: number]): string[] => {
      numbers.push(...given)
      return args(...given)
    }
    await using child = await spawnListening(node, counted, { ready: /^argument/, ...options })
    expect(numbers).toEqual([child.port])
    expect(child.stdout).toBe(`argument ${child.port}\n`)
    if (options.port !== undefined && options.port !== 0) expect(child.port).toBe(options.port)
    expect(child.child.spawnargs.slice(1)).toEqual(args(child.port))
  })

  it.for(['port', 'descriptor'] as const)('get the number of a reservation, by %s', async (by, context) => {
    needsSupport({ by }, context)
    await using port = await reservePort()
    const host = port.address
    for (let start = 0; start < 2; start++) {
      await using child = await spawnListening(node, (number) => [...args(number), host], { by, port })
      expect(child.endpoint).toEqual(port.endpoint)
    }
  })

  it('work in a scope', async () => {
    await using net = createScope()
    const child = await net.spawnListening(node, args, { ready: /^argument/ })
    expect(child.stdout).toBe(`argument ${child.port}\n`)
  })

  it('leave the number in PORT, too', async () => {
    const program = `require('node:net').createServer().listen(process.env.PORT, () => console.log(process.argv[1]))`
    await using child = await spawnListening(node, (port) => ['-e', program, String(port)], { ready: /^\d+$/ })
    expect(child.stdout).toBe(`${child.port}\n`)
  })
})

describe('a call with a function of the port rejects', () => {
  it("with port: 'any', for which portside has no number", async () => {
    let called = false
    const unused = (): string[] => {
      called = true
      return []
    }
    // @ts-expect-error: the type of the function's form has no 'any'.
    const failure = await failureOf(spawnListening(node, unused, { port: 'any' }))
    expect(failure).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE', argument: 'args' })
    expect((failure as Error).message).toBe(
      [
        "Invalid `args`: expected an array of strings, because port is 'any', got the function unused().",
        '  fix        leave port out: portside then picks the port, and the function gets its number',
      ].join('\n'),
    )
    expect(called).toBe(false)
  })

  it.each<[returned: string, unknown, code: string, message: string]>([
    ['nothing', undefined, 'ERR_INVALID_ARG_TYPE', 'an array of strings as the result of the function, got undefined'],
    ['a string', '-p 80', 'ERR_INVALID_ARG_TYPE', "an array of strings as the result of the function, got '-p 80'"],
    ['a promise', Promise.resolve([]), 'ERR_INVALID_ARG_TYPE', 'the result of the function, got a promise'],
    ['a number', ['-p', 80], 'ERR_INVALID_ARG_TYPE', 'strings as the result of the function, at 1, got 80'],
    ['a null byte', ['\0'], 'ERR_INVALID_ARG_VALUE', 'strings without null bytes as the result of the function, got'],
    ['a function', () => [], 'ERR_INVALID_ARG_TYPE', 'an array of strings as the result of the function, got'],
  ])('if the function returns %s', async (_title, result, code, message) => {
    const failure = await failureOf(spawnListening(node, () => result as string[]))
    expect(failure).toMatchObject({ code, argument: 'args' })
    expect((failure as Error).message).toContain(message)
  })

  it('with the error of the function, and keeps neither a port nor a program', async () => {
    const error = new Error('no arguments today')
    let free = 0
    const throws = (port: number): never => {
      free = port
      throw error
    }
    await expect(spawnListening(node, throws)).rejects.toBe(error)
    await using server = await listenTcp(undefined, { port: free })
    expect(server.port).toBe(free)
  })

  it('with the error of the function, and keeps a reservation', async () => {
    await using port = await reservePort()
    const throws = (): never => {
      throw new Error('no arguments today')
    }
    await expect(spawnListening(node, throws, { port })).rejects.toThrow('no arguments today')
    expect(port.held).toBe(true)
  })

  it('without a call of the function if another argument is invalid, the program is missing or the signal is aborted', async () => {
    const unused = (): never => expect.unreachable('it was called')
    await expect(spawnListening(node, unused, { timeout: -1 })).rejects.toMatchObject({ argument: 'timeout' })
    await expect(spawnListening('/nonexistent', unused)).rejects.toMatchObject({ code: 'ENOENT' })
    const signal = AbortSignal.abort()
    await expect(spawnListening(node, unused, { signal })).rejects.toMatchObject({ code: 'ABORT_ERR' })
  })
})
