import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { expect as jestExpect } from 'expect'
import { beforeEach, describe, it, onTestFinished, vi, expect as vitestExpect } from 'vitest'
import { matchers } from '../../src/assertions/matchers.js'
import {
  assertAddressInUse,
  assertConnectionRefused,
  assertDrained,
  assertReleased,
  explainSocketError,
  listenTcp,
  occupiedEndpoint,
  refusedEndpoint,
} from '../../src/index.js'
import { ASSERTION_NAMES, ASSERTIONS, errorOf, listenAt, situations } from '../assertions/situations.js'
import { leavesNothingOpen, needsKernel } from '../support/kernel.js'

// A lookup of an owner reads every process of the host. An answer that needs no lookup must not pay for one.

leavesNothingOpen()

vitestExpect.extend(matchers)
jestExpect.extend(matchers)

// biome-ignore lint/suspicious/noExplicitAny: each library has types of its own; test/types is about these.
const libraries: ReadonlyArray<readonly [name: string, expect: any]> = [
  ['Vitest', vitestExpect],
  ['Jest', jestExpect],
]

beforeEach(needsKernel)

it('counts lookups', async () => {
  await using endpoint = await occupiedEndpoint()
  const error = await errorOf(listenAt(endpoint))
  const lookups = await lookupsOf(() => assertConnectionRefused(error).catch(() => {}))
  vitestExpect(lookups.some((path) => path.endsWith('/net/tcp'))).toBe(true)
  vitestExpect(await lookupsOf(() => explainSocketError(error))).not.toEqual([])
})

describe.each(situations.map((situation) => [situation.name, situation] as const))('%s', (_name, situation) => {
  it('passes its assertion without a lookup', async (context) => {
    await using staged = await situation.stage(context)
    const error = await errorOf(staged.begin())
    const assert = ASSERTIONS[situation.assertion]
    const pass = async (): Promise<void> => {
      await assert(error, staged.place)
      await assert(() => staged.begin(), staged.place)
    }
    vitestExpect(await lookupsOf(pass)).toEqual([])
  })

  it.for(libraries)('needs no lookup for a matcher or its negation, by %s', async ([, expect], context) => {
    await using staged = await situation.stage(context)
    const error = await errorOf(staged.begin())
    const pass = (): void => {
      for (const name of ASSERTION_NAMES) {
        const matcher = name.replace('assert', 'toBe')
        const holds = name === situation.assertion ? expect(error) : expect(error).not
        holds[matcher]()
        const asymmetric = name === situation.assertion ? expect : expect.not
        expect({ error }).toEqual({ error: asymmetric[matcher]() })
      }
      expect(error).not[situation.assertion.replace('assert', 'toBe')]({ address: '127.0.0.77' })
    }
    vitestExpect(await lookupsOf(pass)).toEqual([])
  })
})

describe.each(libraries)('by %s', (_library, expect) => {
  it('needs no lookup for the state of a server', async () => {
    const server = await listenTcp()
    await server.connect()
    const pass = (): void => {
      expect(server).toBeListening()
      expect(server.server).toBeListening()
      expect(server).not.toBeDrained()
      expect(server.connections).not.toHaveOpenSockets(9)
    }
    vitestExpect(await lookupsOf(pass)).toEqual([])
    await server.close()
    const passClosed = (): void => {
      expect(server).not.toBeListening()
      expect(server).toBeDrained()
      expect(server).toHaveOpenSockets(0)
    }
    vitestExpect(await lookupsOf(passClosed)).toEqual([])
  })

  it('needs no lookup for the result of a connect or a bind', async () => {
    await using endpoint = await occupiedEndpoint()
    await using refused = await refusedEndpoint()
    const pass = async (): Promise<void> => {
      await expect(endpoint).toAcceptConnections()
      await expect(endpoint).not.toRefuseConnections()
      await expect(endpoint).not.toBeReleased()
      await expect(refused).toRefuseConnections()
      await expect(refused).not.toAcceptConnections()
    }
    vitestExpect(await lookupsOf(pass)).toEqual([])
  })
})

it('needs no lookup for a free address or a drained server', async () => {
  const server = await listenTcp()
  await server.close()
  const pass = async (): Promise<void> => {
    await assertReleased(server)
    await assertDrained(server)
  }
  vitestExpect(await lookupsOf(pass)).toEqual([])
})

it('needs no lookup for a conflict that a function causes', async () => {
  await using endpoint = await occupiedEndpoint()
  vitestExpect(await lookupsOf(() => assertAddressInUse(() => listenAt(endpoint)))).toEqual([])
})

it('needs no lookup for an invalid argument', async () => {
  const bad = () => assertConnectionRefused(net.connect, { port: 'x' } as never).catch(() => {})
  vitestExpect(await lookupsOf(bad)).toEqual([])
})

/** The files below /proc that are read meanwhile. */
async function lookupsOf(action: () => unknown): Promise<string[]> {
  const read: string[] = []
  const spies = (['openSync', 'readFileSync', 'readdirSync', 'readlinkSync', 'statSync', 'open'] as const).map(
    (name) => {
      const original = fs[name] as (...args: unknown[]) => unknown
      return vi.spyOn(fs, name).mockImplementation(((...args: unknown[]) => {
        if (String(args[0]).startsWith('/proc')) read.push(String(args[0]))
        return original(...args)
      }) as never)
    },
  )
  syncBuiltinESMExports()
  const restore = (): void => {
    for (const spy of spies) spy.mockRestore()
    syncBuiltinESMExports()
  }
  onTestFinished(restore)
  await action()
  restore()
  return read
}
