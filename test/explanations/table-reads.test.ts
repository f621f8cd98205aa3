import dgram from 'node:dgram'
import { once } from 'node:events'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  assertAddressInUse,
  assertAddressNotAvailable,
  assertConnectionRefused,
  assertConnectionReset,
  assertEphemeralPortsExhausted,
  assertPermissionDenied,
  explainSocketError,
  listenTcp,
  loopbackFamilies,
  occupiedEndpoint,
  refusedEndpoint,
  reservePort,
  resettingEndpoint,
  unassignedEndpoint,
} from '../../src/index.js'
import { errorOf, listenAt } from '../assertions/situations.js'
import { HERE, UDP_HERE } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

const OPENERS = [
  'openSync',
  'open',
  'readFileSync',
  'readFile',
  'readdirSync',
  'opendirSync',
  'createReadStream',
] as const

/** Counts the files that are opened from now on, by name. */
function watchFiles(): () => string[] {
  const opened: string[] = []
  for (const name of OPENERS) {
    const original = fs[name] as (...args: unknown[]) => unknown
    vi.spyOn(fs, name as 'openSync').mockImplementation(((...args: unknown[]) => {
      opened.push(String(args[0]))
      return Reflect.apply(original, fs, args)
    }) as never)
  }
  syncBuiltinESMExports()
  return () => opened
}

afterEach(() => {
  vi.restoreAllMocks()
  syncBuiltinESMExports()
})

/** The number of reads of each table of the kernel. */
function passes(opened: readonly string[]): Record<string, number> {
  const tables = opened.flatMap((file) => /\/net\/(tcp6?|udp6?|unix)$/.exec(file)?.[1] ?? [])
  return Object.fromEntries(
    [...new Set(tables)].map((table) => [table, tables.filter((each) => each === table).length]),
  )
}

const atMostOnce = (opened: readonly string[]): void =>
  expect(Object.values(passes(opened)).filter((count) => count > 1)).toEqual([])

describe.runIf(process.platform === 'linux')('the table of the kernel', () => {
  const failures: ReadonlyArray<readonly [name: string, raise: () => Promise<unknown>]> = [
    [
      'EADDRINUSE of a listener',
      async () => {
        await using endpoint = await occupiedEndpoint()
        return await errorOf(listenAt(endpoint))
      },
    ],
    [
      'ECONNREFUSED',
      async () => {
        await using endpoint = await refusedEndpoint()
        return await errorOf(net.connect(endpoint.port, endpoint.address))
      },
    ],
    ['EADDRNOTAVAIL of a listener', async () => errorOf(listenAt(await unassignedEndpoint()))],
    [
      'EADDRINUSE of a datagram socket',
      async () => {
        await using endpoint = await occupiedEndpoint({ protocol: 'udp' })
        const socket = dgram.createSocket(UDP_HERE).bind(endpoint.port, endpoint.address)
        const error = await errorOf(socket)
        socket.close()
        return error
      },
    ],
    ['EADDRNOTAVAIL of a connect', async () => system('connect', 'EADDRNOTAVAIL', -99, HERE, 9)],
    [
      'EADDRNOTAVAIL of a connect from a local address',
      async () => {
        const error = system('connect', 'EADDRNOTAVAIL', -99, HERE, 9)
        error.message += ` - Local (${HERE}:40000)`
        return error
      },
    ],
    ['EADDRINUSE of a bind to port 0', async () => system('listen', 'EADDRINUSE', -98, HERE)],
    ['ETIMEDOUT', async () => system('connect', 'ETIMEDOUT', -110, HERE, 9)],
    ['EADDRINUSE of a worker of a cluster', async () => system('bind', 'EADDRINUSE', -98, null, 9)],
  ]

  it.each(failures)('is read at most once to explain %s', async (_name, raise) => {
    const error = await raise()
    loopbackFamilies()
    const opened = watchFiles()
    await explainSocketError(error)
    atMostOnce(opened())
  })

  it.each(failures)('is read at most once by an assertion that fails on %s', async (name, raise) => {
    const error = await raise()
    loopbackFamilies()
    const assertion = /bind to port 0|of a connect$/.test(name) ? assertConnectionReset : assertEphemeralPortsExhausted
    const opened = watchFiles()
    await assertion(error).catch(() => {})
    atMostOnce(opened())
  })

  it('is read at most once by a listen on a taken port, and by its reservation', async () => {
    await using taken = await listenTcp()
    const opened = watchFiles()
    await expect(listenTcp(undefined, { port: taken.port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    atMostOnce(opened())
    opened().length = 0
    await expect(reservePort({ port: [taken.port] })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    atMostOnce(opened())
  })
})

describe('an assertion that passes', () => {
  it('opens no file', async () => {
    await using occupied = await occupiedEndpoint()
    await using refused = await refusedEndpoint()
    await using resetting = await resettingEndpoint()
    const unassigned = await unassignedEndpoint()
    const inUse = await errorOf(listenAt(occupied))
    const refusal = await errorOf(net.connect(refused.port, refused.address))
    const reset = await errorOf(net.connect(resetting.port, resetting.address).resume())
    const absent = await errorOf(listenAt(unassigned))
    const denied = system('connect', 'EACCES', -13, '192.0.2.1', 9)
    const exhausted = system('connect', 'EADDRNOTAVAIL', -99, HERE, 9)
    loopbackFamilies()
    const opened = watchFiles()
    await assertAddressInUse(inUse, occupied)
    await assertConnectionRefused(refusal)
    await assertConnectionReset(reset)
    await assertAddressNotAvailable(absent)
    await assertPermissionDenied(denied)
    await assertEphemeralPortsExhausted(exhausted)
    expect(opened()).toEqual([])
  })

  it.runIf(process.platform === 'linux')('opens no file for a tuple that this process has taken', async () => {
    await using local = await reservePort()
    await using server = await listenTcp((socket) => void socket.resume())
    const from = { localAddress: local.address, localPort: local.port }
    await local.release()
    const first = net.connect({ port: server.port, host: server.address, ...from })
    await once(first, 'connect')
    const error = await errorOf(net.connect({ port: server.port, host: server.address, ...from }))
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', syscall: 'connect' })
    const opened = watchFiles()
    await assertAddressNotAvailable(error)
    expect(opened()).toEqual([])
    first.destroy()
    await once(first, 'close')
  })
})

/** An error as Node creates it for an answer of the kernel. */
function system(syscall: string, code: string, errno: number, address: string | null, port?: number): Error {
  const place = port === undefined ? `${address}` : `${address}:${port}`
  return Object.assign(new Error(`${syscall} ${code} ${place}`), {
    code,
    errno,
    syscall,
    address,
    ...(port === undefined ? {} : { port }),
  })
}
