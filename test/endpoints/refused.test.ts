import { expect, it } from 'vitest'
import { loopbackFamilies, refusedEndpoint } from '../../src/index.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { runInNamespace, whyNoNamespace } from '../support/namespace.js'
import { asks } from './clients.js'

leavesNothingOpen()

// `npm run stress` connects 20,000 times.
it.each(loopbackFamilies())('refuses 1,000 connects over %s, and none connects to itself', async (family) => {
  await using endpoint = await refusedEndpoint({ family })
  for (let dials = 0; dials < 1000; dials++) expect(await asks(endpoint)).toBe('ECONNREFUSED')
})

it('refuses in an ephemeral range so small that a client of an unused port would connect to itself', async (context) => {
  if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
  const seen = JSON.parse(
    runInNamespace(
      'echo 40000 40049 > /proc/sys/net/ipv4/ip_local_port_range',
      `
      import net from 'node:net'
      import { once } from 'node:events'
      const { refusedEndpoint } = await import(process.env.PORTSIDE)
      const dial = async (port) => {
        const client = net.connect(port, '127.0.0.1')
        const outcome = await once(client, 'connect').then(() => 'connected', ({ code }) => code)
        if (outcome === 'connected') client.resetAndDestroy()
        return outcome
      }
      const count = async (ports) => {
        const outcomes = {}
        for (const port of ports) {
          const outcome = await dial(port)
          outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
        }
        return outcomes
      }
      const endpoint = await refusedEndpoint()
      const refused = await count(Array(1000).fill(endpoint.port))
      await endpoint.close()
      // For connections Linux prefers every other port of the range, so a single port might never be picked.
      const unused = await count(Array.from({ length: 1000 }, (_, index) => 40000 + (index % 50)))
      console.log(JSON.stringify({ refused, unused }))
      `,
    ),
  )
  expect(seen.refused).toEqual({ ECONNREFUSED: 1000 })
  // The contrast: ports that are merely unused.
  expect(seen.unused.connected).toBeGreaterThan(0)
})

it('refuses at a requested port', async () => {
  await using first = await refusedEndpoint()
  await expect(refusedEndpoint({ port: [first.port] })).rejects.toMatchObject({ code: 'EADDRINUSE' })
})
