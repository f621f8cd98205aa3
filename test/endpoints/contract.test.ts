import { describe, expect, it, type TestContext } from 'vitest'
import {
  createScope,
  type EndpointOptions,
  type Family,
  fragmentingEndpoint,
  listenTcp,
  loopbackFamilies,
  type NetScope,
  occupiedEndpoint,
  privilegedEndpoint,
  refusedEndpoint,
  resettingEndpoint,
  stalledEndpoint,
  switchableEndpoint,
  type TestEndpoint,
  unassignedEndpoint,
  unresponsiveEndpoint,
} from '../../src/index.js'
import { leavesNothingOpen, needsKernel, openSockets, watchPort } from '../support/kernel.js'
import { asks, asksInVain, beforeEcho, listens, openOrSkip } from './clients.js'

leavesNothingOpen()

interface Kind {
  readonly name: string
  open(options?: EndpointOptions): Promise<TestEndpoint>
  readonly inScope: (net: NetScope, target: TestEndpoint) => Promise<TestEndpoint>
  /** The events that a user meets there, every time. */
  readonly meets: (endpoint: TestEndpoint) => Promise<string>
  readonly outcome: RegExp
  /** The address. Default 127.0.0.1 or ::1. */
  readonly address?: RegExp
  /** True if it supports one port of both families. Default true. */
  readonly dual?: false
}

/** One contract for every endpoint. Tests of a single endpoint are in its own file. */
const KINDS: Kind[] = [
  {
    name: 'refusedEndpoint',
    open: refusedEndpoint,
    inScope: (net) => net.refusedEndpoint(),
    meets: asks,
    outcome: /^ECONNREFUSED$/,
  },
  {
    name: 'occupiedEndpoint',
    open: occupiedEndpoint,
    inScope: (net) => net.occupiedEndpoint(),
    meets: listens,
    outcome: /^EADDRINUSE$/,
  },
  {
    name: 'unresponsiveEndpoint',
    open: unresponsiveEndpoint,
    inScope: (net) => net.unresponsiveEndpoint(),
    meets: asksInVain,
    outcome: /^nothing$/,
  },
  {
    name: 'stalledEndpoint',
    open: stalledEndpoint,
    inScope: (net) => net.stalledEndpoint(),
    meets: asksInVain,
    outcome: /^connect, nothing$/,
  },
  {
    name: 'resettingEndpoint',
    open: resettingEndpoint,
    inScope: (net) => net.resettingEndpoint(),
    meets: asks,
    // The kernel has connected it before this process accepts it.
    outcome: /^(connect, )?ECONNRESET$/,
  },
  {
    name: 'resettingEndpoint, after the first byte',
    open: (options) => resettingEndpoint(isObject(options) ? { ...options, after: 'first-byte' } : options),
    inScope: (net) => net.resettingEndpoint({ after: 'first-byte' }),
    meets: asks,
    outcome: /^connect, ECONNRESET$/,
  },
  {
    name: 'fragmentingEndpoint',
    open: (options) => beforeEcho((target) => fragmentingEndpoint(target, options)),
    inScope: (net, target) => net.fragmentingEndpoint(target),
    meets: asks,
    outcome: /^connect, p$/,
  },
  {
    name: 'switchableEndpoint',
    open: (options) => beforeEcho((target) => switchableEndpoint(target, options)),
    inScope: (net, target) => net.switchableEndpoint(target),
    meets: asks,
    outcome: /^connect, ping$/,
  },
  {
    name: 'unassignedEndpoint',
    open: (options) => unassignedEndpoint(options as { family?: Family }),
    inScope: (net) => net.unassignedEndpoint(),
    meets: listens,
    outcome: /^EADDRNOTAVAIL$/,
    address: /^(192\.0\.2|198\.51\.100|203\.0\.113)\.|^2001:db8:/,
    dual: false,
  },
  {
    name: 'privilegedEndpoint',
    open: privilegedEndpoint,
    inScope: (net) => net.privilegedEndpoint(),
    meets: listens,
    outcome: /^EACCES$/,
  },
]

/** A value that is not an object stays as it is, because the call must reject it. */
function isObject(options: unknown): boolean {
  return options === undefined || (typeof options === 'object' && options !== null)
}

const FAMILIES = loopbackFamilies()
const LOOPBACK: Record<Family, string> = { IPv4: '127.0.0.1', IPv6: '::1' }
const TIMES = 50

describe.each(KINDS)('$name', ({ open, inScope, meets, outcome, address, dual = true }) => {
  it.for(FAMILIES)('is an endpoint of %s', async (family, context) => {
    const endpoint = await openOrSkip(context, () => open({ family }))
    expect(endpoint.address).toMatch(address ?? LOOPBACK[family])
    expect(endpoint).toMatchObject({ family, port: expect.any(Number) })
    expect(endpoint.port).toBeGreaterThan(0)
    const { port } = endpoint
    expect(endpoint.endpoints).toEqual([{ address: endpoint.address, port, family }])
    expect({ ...endpoint }).toMatchObject({ address: endpoint.address, port, family })
    await endpoint.close()
  })

  it.for(FAMILIES)(`does the same ${TIMES} times over %s`, async (family, context) => {
    const endpoint = await openOrSkip(context, () => open({ family }))
    for (let times = 0; times < TIMES; times++) expect(await meets(endpoint)).toMatch(outcome)
    await endpoint.close()
  })

  it.for(FAMILIES)('leaves neither a descriptor nor a TIME_WAIT of %s', async (family, context) => {
    needsKernel(context)
    const before = openSockets().length
    const endpoint = await openOrSkip(context, () => open({ family }))
    // The kernel may still know an earlier connection with the same number.
    const traces = watchPort(endpoint.port)
    await meets(endpoint)
    await endpoint.close()
    expect(openSockets()).toHaveLength(before)
    expect(traces()).toEqual([])
  })

  it('closes once if close() is called several times', async (context) => {
    const endpoint = await openOrSkip(context, open)
    await Promise.all([endpoint.close(), endpoint.close()])
    await endpoint[Symbol.asyncDispose]()
    await endpoint.close()
  })

  it.runIf(dual && FAMILIES.length === 2)('is one port of both families when dual', async (context) => {
    const endpoint = await openOrSkip(context, () => open({ family: 'dual' }))
    expect(endpoint.endpoints.map(({ address }) => address)).toEqual(['127.0.0.1', '::1'])
    for (const each of endpoint.endpoints) {
      expect(each.port).toBe(endpoint.port)
      expect(await meets({ ...endpoint, ...each })).toMatch(outcome)
    }
    await endpoint.close()
  })

  it('is closed with its scope', async (context) => {
    needsKernel(context)
    const target = await listenTcp()
    const before = openSockets().length
    const net = createScope()
    const endpoint = await skipping(context, () => inScope(net, target as unknown as TestEndpoint), target)
    await net.close()
    expect(openSockets()).toHaveLength(before)
    expect(endpoint.close()).toBe(endpoint.close())
    await target.close()
  })

  it.each([
    [{ family: 'IPv5' }, 'ERR_INVALID_ARG_VALUE'],
    [null, 'ERR_INVALID_ARG_TYPE'],
    [5, 'ERR_INVALID_ARG_TYPE'],
  ])('refuses %o', async (options, code) => {
    await expect(open(options as EndpointOptions)).rejects.toMatchObject({ code })
  })
})

async function skipping(context: TestContext, open: () => Promise<TestEndpoint>, target: AsyncDisposable) {
  try {
    return await openOrSkip(context, open)
  } catch (error) {
    await target[Symbol.asyncDispose]()
    throw error
  }
}
