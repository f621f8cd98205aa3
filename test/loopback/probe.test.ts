import { execFileSync } from 'node:child_process'
import dns from 'node:dns/promises'
import net from 'node:net'
import { describe, expect, it } from 'vitest'
import { loopbackFamilies, probeLoopback } from '../../src/index.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { inNamespace, whyNoNamespace } from '../support/namespace.js'

leavesNothingOpen()

describe('loopbackFamilies', () => {
  it('returns the families whose loopback address can be bound, IPv4 first', async () => {
    const bindable = await Promise.all([canListen('127.0.0.1'), canListen('::1')])
    expect(loopbackFamilies()).toEqual(['IPv4', 'IPv6'].filter((_family, index) => bindable[index]))
  })

  it('returns a new array to each caller', () => {
    loopbackFamilies().pop()
    expect(loopbackFamilies().length).toBeGreaterThan(0)
  })
})

describe('probeLoopback', () => {
  it('agrees with loopbackFamilies and with the resolver', async () => {
    const support = await probeLoopback()
    expect(support.families).toEqual(loopbackFamilies())
    expect(support.ipv4).toBe(support.families.includes('IPv4'))
    expect(support.ipv6).toBe(support.families.includes('IPv6'))
    const resolved = await dns.lookup('localhost', { all: true }).catch(() => [])
    expect(support.localhost.map(({ address }) => address)).toEqual(resolved.map(({ address }) => address))
  })

  it('has a reason for each missing family, and for no other', async () => {
    const { ipv4, ipv6, reasons } = await probeLoopback()
    expect(reasons.ipv4 === undefined).toBe(ipv4)
    expect(reasons.ipv6 === undefined).toBe(ipv6)
  })

  it('binds once and remembers', async () => {
    expect(await probeLoopback()).toBe(await probeLoopback())
  })
})

describe.skipIf(whyNoNamespace !== undefined)(`in a private network (${whyNoNamespace ?? 'possible here'})`, () => {
  const probe = `
    const { loopbackFamilies, probeLoopback, listenTcp } = await import(process.env.PORTSIDE)
    const { ipv4, ipv6, reasons, dualStackWildcard } = await probeLoopback()
    const code = (family) => listenTcp(undefined, { family }).then((s) => s.close().then(() => 'ok'), (e) => e.code + ' ' + e.message)
    const first = await listenTcp()
    await first.close()
    console.log(JSON.stringify({ families: loopbackFamilies(), ipv4, ipv6, reasons, dualStackWildcard, first: first.family,
      IPv4: await code('IPv4'), IPv6: await code('IPv6'), dual: await code('dual') }))`

  it('finds both families', () => {
    expect(run('', probe)).toMatchObject({ families: ['IPv4', 'IPv6'], dualStackWildcard: true, dual: 'ok' })
  })

  it('reports that IPv6 is missing, and why', () => {
    const found = run('echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6', probe)
    expect(found).toMatchObject({
      families: ['IPv4'],
      ipv4: true,
      ipv6: false,
      dualStackWildcard: false,
      first: 'IPv4',
      IPv4: 'ok',
    })
    expect(found.reasons.ipv6).toMatch(/^binding ::1 failed with EADDRNOTAVAIL \(address not available\)$/)
    expect(found.IPv6).toMatch(
      /^ERR_PORTSIDE_FAMILY_UNAVAILABLE Cannot listen on ::1\.\n {2}expected {3}a host with IPv6\n.*\n {2}cause {6}binding ::1 failed with EADDRNOTAVAIL.*\n {2}fix {8}/,
    )
    expect(found.dual).toMatch(/^ERR_PORTSIDE_FAMILY_UNAVAILABLE /)
  })

  it('takes a family for there if only its datagram ports are exhausted', () => {
    const exhaust = `
      const dgram = await import('node:dgram')
      const taken = []
      for (const [type, address] of [['udp4', '127.0.0.1'], ['udp6', '::1']]) {
        for (let bound = true; bound; ) {
          const socket = dgram.createSocket({ type, reuseAddr: false })
          bound = await new Promise((resolve) => socket.once('error', () => resolve(false)).bind({ address, port: 0, exclusive: true }, () => resolve(true)))
          taken.push(socket)
        }
      }
      const { loopbackFamilies } = await import(process.env.PORTSIDE)
      console.log(JSON.stringify(loopbackFamilies()))
      process.exit()`
    expect(run('echo 40000 40003 > /proc/sys/net/ipv4/ip_local_port_range', exhaust)).toEqual(['IPv4', 'IPv6'])
  })

  it('connects to a listener on :: by IPv4 if the host has no IPv6', () => {
    const dial = `
      const { listenHttp, listenTcp, listenUdp, waitForListening } = await import(process.env.PORTSIDE)
      const servers = await Promise.all([listenTcp, listenUdp, listenHttp].map((listen) => listen(undefined, { host: '::' })))
      const remotes = []
      for (const server of servers) {
        const client = await server.connect()
        remotes.push(client.remoteAddress?.call?.(client).address ?? client.remoteAddress)
        await new Promise((resolve) => client.once('close', resolve)[client.destroy ? 'destroy' : 'close']())
      }
      await waitForListening(servers[0].endpoint)
      console.log(JSON.stringify({ addresses: servers.map(({ address }) => address), remotes, host: servers[2].url.hostname }))
      for (const server of servers) await server.close()`
    expect(run('echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6', dial)).toEqual({
      addresses: ['::', '::', '::'],
      remotes: ['127.0.0.1', '127.0.0.1', '127.0.0.1'],
      host: '127.0.0.1',
    })
  })

  it('reports that IPv4 is missing, and listens on IPv6', () => {
    const found = run('ip address del 127.0.0.1/8 dev lo', probe)
    expect(found).toMatchObject({ families: ['IPv6'], ipv4: false, ipv6: true, first: 'IPv6', IPv6: 'ok' })
    expect(found.IPv4).toMatch(/^ERR_PORTSIDE_FAMILY_UNAVAILABLE .*127\.0\.0\.1/)
  })

  function run(setUp: string, code: string) {
    return JSON.parse(execFileSync(...inNamespace(setUp, code)))
  }
})

function canListen(host: string): Promise<boolean> {
  const server = net.createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(0, host, () => server.close(() => resolve(true)))
  })
}
