import dns from 'node:dns/promises'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { networkInterfaces } from 'node:os'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { type EndpointLike, listenTcp, listenUdp, listenUnix, loopbackFamilies, reservePort } from '../../src/index.js'
import { addressesOf, dialsOf, namedBy, nameOf, printable } from '../../src/loopback/endpoint-like.js'
import { ownAddresses } from '../../src/loopback/own-addresses.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

const FAMILIES = loopbackFamilies()
const IPV4 = { address: '127.0.0.1', port: 3000, family: 'IPv4' } as const
/** The address at which a client reaches a listener on ::. */
const MET = loopbackFamilies().includes('IPv6') ? '::1' : '127.0.0.1'
const IPV6 = { address: '::1', port: 3000, family: 'IPv6' } as const

describe('an endpoint', () => {
  it.each<{ what: string; target: unknown; named: object[]; name: string }>([
    { what: 'a port', target: 3000, named: [{ host: 'localhost', port: 3000 }], name: 'localhost:3000' },
    { what: 'a port in an object', target: { port: 1 }, named: [{ host: 'localhost', port: 1 }], name: 'localhost:1' },
    { what: 'an address', target: IPV4, named: [{ host: '127.0.0.1', port: 3000 }], name: '127.0.0.1:3000' },
    { what: 'an address of IPv6', target: IPV6, named: [{ host: '::1', port: 3000 }], name: '[::1]:3000' },
    {
      what: 'a host',
      target: { host: 'a.test', port: 3000 },
      named: [{ host: 'a.test', port: 3000 }],
      name: 'a.test:3000',
    },
    {
      what: 'an address before a host',
      target: { host: 'a.test', ...IPV4 },
      named: [{ host: '127.0.0.1', port: 3000 }],
      name: '127.0.0.1:3000',
    },
    { what: 'a path', target: { path: '/tmp/s.sock' }, named: [{ path: '/tmp/s.sock' }], name: '/tmp/s.sock' },
    { what: 'an abstract name', target: { path: '\0a' }, named: [{ path: '\0a' }], name: '@a' },
    {
      what: 'a port without a path',
      target: { path: undefined, port: 3000 },
      named: [{ host: 'localhost', port: 3000 }],
      name: 'localhost:3000',
    },
    {
      what: 'a URL',
      target: new URL('http://user:secret@127.0.0.1:3000/path?query#part'),
      named: [{ host: '127.0.0.1', port: 3000 }],
      name: '127.0.0.1:3000',
    },
    {
      what: 'a URL of IPv6',
      target: new URL('tcp://[::1]:3000'),
      named: [{ host: '::1', port: 3000 }],
      name: '[::1]:3000',
    },
    {
      what: 'a URL with the port of its scheme',
      target: new URL('https://a.test:443'),
      named: [{ host: 'a.test', port: 443 }],
      name: 'a.test:443',
    },
    {
      what: 'the members of a URL of another realm',
      target: { href: 'ws://a.test/', hostname: 'a.test', port: '', protocol: 'ws:' },
      named: [{ host: 'a.test', port: 80 }],
      name: 'a.test:80',
    },
    {
      what: 'a server with several endpoints',
      target: { ...IPV4, endpoints: [IPV4, IPV6] },
      named: [
        { host: '127.0.0.1', port: 3000 },
        { host: '::1', port: 3000 },
      ],
      name: '127.0.0.1:3000 and [::1]:3000',
    },
    {
      what: 'a server with one endpoint',
      target: { ...IPV4, endpoints: [IPV6] },
      named: [{ host: '127.0.0.1', port: 3000 }],
      name: '127.0.0.1:3000',
    },
    {
      what: 'a server without endpoints',
      target: { ...IPV4, endpoints: [] },
      named: [{ host: '127.0.0.1', port: 3000 }],
      name: '127.0.0.1:3000',
    },
  ])('is $what', ({ target, named, name }) => {
    expect(namedBy(target as EndpointLike)).toEqual(named)
    expect(nameOf(target as EndpointLike)).toBe(name)
  })

  it.each<{ what: string; target: unknown; code: string }>([
    { what: 'nothing', target: undefined, code: 'ERR_INVALID_ARG_TYPE' },
    { what: 'null', target: null, code: 'ERR_INVALID_ARG_TYPE' },
    { what: 'a text', target: 'localhost:3000', code: 'ERR_INVALID_ARG_TYPE' },
    { what: 'a function', target: () => {}, code: 'ERR_INVALID_ARG_TYPE' },
    { what: 'a server of Node', target: net.createServer(), code: 'ERR_INVALID_ARG_TYPE' },
    { what: 'an empty path', target: { path: '' }, code: 'ERR_INVALID_ARG_TYPE' },
    { what: 'a path that is null', target: { path: null, port: 3000 }, code: 'ERR_INVALID_ARG_TYPE' },
    { what: 'an empty address', target: { address: '', port: 3000 }, code: 'ERR_INVALID_ARG_TYPE' },
    { what: 'port 0', target: { ...IPV4, port: 0 }, code: 'ERR_SOCKET_BAD_PORT' },
    {
      what: 'a server with port 0 among its endpoints',
      target: { ...IPV4, endpoints: [IPV4, { ...IPV6, port: 0 }] },
      code: 'ERR_SOCKET_BAD_PORT',
    },
    { what: 'a port that is a text', target: { ...IPV4, port: '3000' }, code: 'ERR_SOCKET_BAD_PORT' },
    { what: 'a port that is null', target: { ...IPV4, port: null }, code: 'ERR_SOCKET_BAD_PORT' },
    { what: 'a port that is not an integer', target: 0.5, code: 'ERR_SOCKET_BAD_PORT' },
    { what: 'a negative port', target: -1, code: 'ERR_SOCKET_BAD_PORT' },
    { what: 'a URL without a port', target: new URL('tcp://a.test'), code: 'ERR_SOCKET_BAD_PORT' },
    { what: 'a URL without a path', target: new URL('unix:'), code: 'ERR_INVALID_ARG_TYPE' },
    { what: 'a URL of a path with a lone %', target: new URL('unix:///tmp/100%'), code: 'ERR_INVALID_ARG_TYPE' },
    { what: 'a URL of port 0', target: new URL('http://a.test:0'), code: 'ERR_SOCKET_BAD_PORT' },
  ])('is not $what', ({ target, code }) => {
    for (const ask of [namedBy, nameOf, dialsOf]) {
      expect(() => ask(target as EndpointLike)).toThrow(expect.objectContaining({ code }))
    }
  })

  it('is a portside server of each kind', async () => {
    await using one = await listenTcp()
    await using udp = await listenUdp()
    expect(namedBy(one)).toEqual([{ host: one.address, port: one.port }])
    expect(namedBy(udp)).toEqual([{ host: udp.address, port: udp.port }])
    await one.close()
    expect(namedBy(one)).toEqual([{ host: one.address, port: one.port }])
  })

  it('is a server or a reservation on both families: both endpoints', async (context) => {
    if (FAMILIES.length < 2) context.skip(`this host has ${FAMILIES[0]} only`)
    await using server = await listenTcp(undefined, { family: 'dual' })
    await using reservation = await reservePort({ family: 'dual' })
    for (const target of [server, reservation]) {
      const { port } = target
      expect(namedBy(target)).toEqual(target.endpoints.map(({ address }) => ({ host: address, port })))
      expect(await dialsOf(target)()).toEqual(target.endpoints.map(({ address }) => ({ host: address, port })))
    }
  })

  it.each(['endpoint', 'url'] as const)('is a unix server, by its path and by its %s', async (name) => {
    await using server = await listenUnix()
    expect(namedBy(server)).toEqual([{ path: server.path }])
    expect(namedBy(server[name])).toEqual([{ path: server.path }])
    expect(await dialsOf(server[name])()).toEqual([{ path: server.path }])
  })
})

describe('a dial', () => {
  it.each<{ target: EndpointLike; dials: object[] }>([
    { target: IPV4, dials: [{ host: '127.0.0.1', port: 3000 }] },
    { target: { address: '0.0.0.0', port: 3000 }, dials: [{ host: '127.0.0.1', port: 3000 }] },
    { target: { address: '::', port: 3000 }, dials: [{ host: MET, port: 3000 }] },
    { target: { path: '\0a' }, dials: [{ path: '\0a' }] },
    {
      target: { endpoints: [{ address: '0.0.0.0', port: 1 }, { address: '::', port: 2 }, { path: '/s' }] } as never,
      dials: [{ host: '127.0.0.1', port: 1 }, { host: MET, port: 2 }, { path: '/s' }],
    },
  ])('for $target', async ({ target, dials }) => {
    expect(await dialsOf(target)()).toEqual(dials)
  })

  it('looks a name up each time, because it may not resolve yet', async () => {
    const dials = dialsOf({ host: 'later.test', port: 3000 })
    resolvesTo()
    expect(await dials()).toEqual([])
    resolvesTo('127.0.0.1', '::1')
    expect(await dials()).toEqual([
      { host: '127.0.0.1', port: 3000 },
      { host: '::1', port: 3000 },
    ])
  })
})

describe('the addresses of a host', () => {
  it.each([
    ['127.0.0.9', ['127.0.0.9']],
    ['::1', ['::1']],
    ['::ffff:127.0.0.1', ['127.0.0.1']],
  ])('are, for %s, %j, without a lookup', async (host, addresses) => {
    const lookup = resolvesTo('192.0.2.1')
    expect(await addressesOf(host)).toEqual(addresses)
    expect(lookup).not.toHaveBeenCalled()
  })

  it('are the addresses of a name, each once, and none if it does not resolve', async () => {
    resolvesTo('127.0.0.1', '127.0.0.2', '127.0.0.1')
    expect(await addressesOf('a.test')).toEqual(['127.0.0.1', '127.0.0.2'])
    vi.spyOn(dns, 'lookup').mockRejectedValue(Object.assign(new Error('ENOTFOUND'), { code: 'ENOTFOUND' }))
    syncBuiltinESMExports()
    expect(await addressesOf('a.test')).toEqual([])
    expect((await addressesOf('localhost')).sort()).toEqual(loopbacks())
  })

  it.each([[[]], [['127.0.0.1']], [['::1']], [['::1', '127.0.0.1']]])(
    'are, for localhost, those of all families, even if it resolves to %j',
    async (addresses) => {
      resolvesTo(...addresses)
      expect((await addressesOf('localhost')).sort()).toEqual(loopbacks())
    },
  )

  const loopbacks = (): string[] => FAMILIES.map((family) => (family === 'IPv4' ? '127.0.0.1' : '::1')).sort()
})

describe('a printed place', () => {
  it.each<[Parameters<typeof printable>[0], string]>([
    [IPV6, '[::1]:3000'],
    ['/tmp/s.sock', '/tmp/s.sock'],
    ['\0a', '@a'],
    ['@a', '@a'],
    ['', ''],
  ])('%j as %s', (place, text) => {
    expect(printable(place)).toBe(text)
  })
})

it('the addresses of this host are those of all its interfaces', () => {
  const expected = Object.values(networkInterfaces()).flatMap((addresses) => addresses?.map(({ address }) => address))
  expect(ownAddresses()).toEqual(expected)
  for (const family of FAMILIES) expect(ownAddresses()).toContain(family === 'IPv4' ? '127.0.0.1' : '::1')
})

function resolvesTo(...addresses: string[]) {
  const found = addresses.map((address) => ({ address, family: net.isIP(address) }))
  const lookup = vi.spyOn(dns, 'lookup').mockResolvedValue(found as never)
  syncBuiltinESMExports()
  onTestFinished(() => {
    vi.restoreAllMocks()
    syncBuiltinESMExports()
  })
  return lookup
}

describe('a property of an endpoint', () => {
  it.each([
    [{ hostname: '127.0.0.1', port: 1 }, 'hostname', 'host'],
    [{ hots: '127.0.0.1', port: 1 }, 'hots', 'host'],
    [{ host: '127.0.0.1', prot: 1 }, 'prot', 'port'],
  ])('is rejected in %o, because it would mean localhost or no port', (target, name, meant) => {
    expect(() => namedBy(target as EndpointLike)).toThrow(
      expect.objectContaining({
        code: 'ERR_PORTSIDE_UNKNOWN_OPTION',
        message: expect.stringContaining(`"${name}" of an endpoint: did you mean "${meant}"?`),
      }),
    )
  })

  it('may have another purpose', () => {
    const target = { host: 'a.test', port: 1, user: 'u', pass: 'p', hosts: 2 }
    expect(namedBy(target)).toEqual([{ host: 'a.test', port: 1 }])
  })
})
