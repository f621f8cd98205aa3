import { expect, it } from 'vitest'
import { listenTcp, listenUdp, loopbackFamilies, occupiedEndpoint } from '../../src/index.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { asksInVain, listens } from './clients.js'

leavesNothingOpen()

it.runIf(loopbackFamilies().includes('IPv4'))('also occupies the port for a listener on every address', async () => {
  await using endpoint = await occupiedEndpoint({ host: '127.0.0.1' })
  expect(await listens({ ...endpoint, address: '0.0.0.0' })).toBe('EADDRINUSE')
  expect(await listens({ ...endpoint, address: '127.0.0.9' })).toBe('listening')
})

it('sends nothing to a client', async () => {
  await using endpoint = await occupiedEndpoint()
  expect(await asksInVain(endpoint)).toBe('connect, nothing')
})

it('occupies a UDP port, but not the TCP port of that number', async () => {
  await using endpoint = await occupiedEndpoint({ protocol: 'udp' })
  await expect(listenUdp(undefined, { port: endpoint.port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  // Another process may have that TCP port.
  const outcome = await listenTcp(undefined, { port: endpoint.port }).catch(({ code }) => code)
  if (typeof outcome === 'string') expect(outcome).toBe('EADDRINUSE')
  else await outcome.close()
})

it('rejects another protocol', async () => {
  await expect(occupiedEndpoint({ protocol: 'sctp' as 'tcp' })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
})
