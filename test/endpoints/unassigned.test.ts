import { once } from 'node:events'
import net from 'node:net'
import { expect, it } from 'vitest'
import { listenTcp, loopbackFamilies, unassignedEndpoint } from '../../src/index.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { runInNamespace, whyNoNamespace } from '../support/namespace.js'

leavesNothingOpen()

it.each(loopbackFamilies())('rejects connects from it over %s', async (family) => {
  await using endpoint = await unassignedEndpoint({ family })
  const server = await listenTcp(undefined, { family })
  const client = net.connect({ host: server.address, port: server.port, localAddress: endpoint.address })
  const [error] = await once(client, 'error')
  expect(error).toMatchObject({ code: 'EADDRNOTAVAIL', address: endpoint.address })
  await server.close()
})

it('is an address that the host lacks, even if it has an address for documentation', async (context) => {
  if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
  const seen = runInNamespace(
    'ip address add 192.0.2.219/32 dev lo',
    `const { unassignedEndpoint } = await import(process.env.PORTSIDE)
     console.log((await unassignedEndpoint()).address)`,
  )
  expect(seen.trim()).toBe('198.51.100.219')
})

it('says why when the kernel binds every address', async (context) => {
  if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
  const seen = runInNamespace(
    'echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind',
    `const { unassignedEndpoint } = await import(process.env.PORTSIDE)
     await unassignedEndpoint().catch(({ code, message }) => console.log(code, message))`,
  )
  expect(seen).toMatch(
    /^ERR_PORTSIDE_UNSUPPORTED Cannot find an address that .+\.\n(.+\n)* {2}cause {6}.*ip_nonlocal_bind/,
  )
})
