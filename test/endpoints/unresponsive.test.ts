import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { expect, it } from 'vitest'
import { whyNeverFull } from '../../src/endpoints/unresponsive.js'
import { createSocketPool, listenTcp, loopbackFamilies, unresponsiveEndpoint } from '../../src/index.js'
import { acceptQueueLength, leavesNothingOpen, needsKernel } from '../support/kernel.js'
import { node } from '../support/program.js'
import { asksInVain } from './clients.js'

leavesNothingOpen()

it.for(loopbackFamilies())('is a full accept queue in the kernel over %s', async (family, context) => {
  needsKernel(context)
  await using endpoint = await unresponsiveEndpoint({ family })
  // One more than its backlog of 1, as Linux counts.
  expect(acceptQueueLength(endpoint.port)).toBe(2)
})

it('makes a connect time out, and names the reason', async () => {
  await using endpoint = await unresponsiveEndpoint()
  await expect(createSocketPool().connect(endpoint, { timeout: 20 })).rejects.toMatchObject({
    code: 'ERR_PORTSIDE_CONNECT_TIMEOUT',
    because: expect.stringContaining('accept queue of the listener is full'),
  })
})

it('stays unresponsive when a client gives up', async () => {
  await using endpoint = await unresponsiveEndpoint()
  for (let times = 0; times < 5; times++) expect(await asksInVain(endpoint)).toBe('nothing')
})

it('refuses clients that are still connecting when it is closed', async () => {
  const endpoint = await unresponsiveEndpoint()
  const client = net.connect(endpoint.port, endpoint.address)
  const failed = once(client, 'error')
  await endpoint.close()
  // With its next SYN, a second after the first (tcp(7)).
  expect((await failed)[0]).toMatchObject({ code: 'ECONNREFUSED' })
})

it('frees the port', async (context) => {
  needsKernel(context)
  const endpoint = await unresponsiveEndpoint()
  await endpoint.close()
  await (await listenTcp(undefined, { port: endpoint.port, host: endpoint.address })).close()
})

it('can be opened several times at once', async () => {
  const endpoints = await Promise.all(Array.from({ length: 4 }, () => unresponsiveEndpoint()))
  for (const endpoint of endpoints) expect(await asksInVain(endpoint)).toBe('nothing')
  await Promise.all(endpoints.map((endpoint) => endpoint.close()))
})

it('rejects when its signal is aborted', async () => {
  const abort = new AbortController()
  const opening = unresponsiveEndpoint({ signal: abort.signal })
  abort.abort(new Error('enough'))
  await expect(opening).rejects.toMatchObject({ code: 'ABORT_ERR', cause: { message: 'enough' } })
})

it('does not keep its process alive', () => {
  const code = `
    const { unresponsiveEndpoint } = await import(process.env.PORTSIDE)
    const { port } = await unresponsiveEndpoint()
    console.log(port > 0)`
  const [program, ...args] = node(code)
  const printed = execFileSync(program, args)
  expect(String(printed).trim()).toBe('true')
})

it('rejects with the error of its thread if the thread cannot listen', async () => {
  await expect(unresponsiveEndpoint({ host: '192.0.2.200' })).rejects.toMatchObject({
    code: 'EADDRNOTAVAIL',
    message: expect.stringContaining('Cannot listen on 192.0.2.200:0: EADDRNOTAVAIL (address not available).\n'),
  })
})

it('names Bun and not the kernel if Bun takes all connections', () => {
  expect(whyNeverFull('Bun')).toBe('Bun ignores the option backlog of listen(), so the queue is longer')
  expect(whyNeverFull('Node')).toContain('this kernel does not drop')
})
