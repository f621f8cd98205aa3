import { once } from 'node:events'
import net from 'node:net'
import { expect, it } from 'vitest'
import { type ResettingOptions, resettingEndpoint } from '../../src/index.js'
import { turn, watch } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

it.each([2, 10, 100_000])('resets after %i bytes, and not before', async (bytes) => {
  await using endpoint = await resettingEndpoint({ after: bytes })
  const client = watch(net.connect(endpoint.port, endpoint.address))
  await client.connected
  client.write(Buffer.alloc(bytes - 1))
  for (let turns = 0; turns < 20; turns++) await turn()
  expect(client.events).toEqual([])
  client.write('x')
  await client.closed
  expect(client.errors).toMatchObject([{ code: 'ECONNRESET' }])
})

it('resets after 0 bytes as it accepts', async () => {
  await using endpoint = await resettingEndpoint({ after: 0 })
  const client = watch(net.connect(endpoint.port, endpoint.address))
  await client.closed
  expect(client.errors).toMatchObject([{ code: 'ECONNRESET' }])
})

it('resets a client that ends earlier', async () => {
  await using endpoint = await resettingEndpoint({ after: 10 })
  const client = net.connect({ port: endpoint.port, host: endpoint.address, allowHalfOpen: true })
  client.end('short')
  const [error] = await once(client, 'error')
  expect(error).toMatchObject({ code: 'ECONNRESET' })
})

it.each([
  ['later', 'ERR_INVALID_ARG_VALUE'],
  [null, 'ERR_INVALID_ARG_VALUE'],
  [-1, 'ERR_OUT_OF_RANGE'],
  [1.5, 'ERR_OUT_OF_RANGE'],
  [Number.NaN, 'ERR_OUT_OF_RANGE'],
])('refuses after: %o', async (after, code) => {
  await expect(resettingEndpoint({ after } as ResettingOptions)).rejects.toMatchObject({ code })
})
