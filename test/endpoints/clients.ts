import { once } from 'node:events'
import net from 'node:net'
import type { TestContext } from 'vitest'
import { listenTcp, type TestEndpoint } from '../../src/index.js'
import { turn } from '../support/clients.js'

// Describes in a few words what a user's program meets at an endpoint.

/** Turns after which nothing more happens on loopback. */
const QUIET = 50

/** Connects, sends 'ping' when connected, and returns the first event: an error, an answer or the end. */
export async function asks(endpoint: TestEndpoint): Promise<string> {
  const seen: string[] = []
  const client = net.connect(endpoint.port, endpoint.address)
  client.on('connect', () => {
    seen.push('connect')
    client.write('ping')
  })
  await new Promise<void>((resolve) => {
    client.on('error', (error: NodeJS.ErrnoException) => seen.push(error.code ?? error.message))
    client.on('data', (data) => seen.push(String(data)))
    for (const event of ['error', 'data', 'end']) client.on(event, () => resolve())
  })
  await end(client)
  return seen.join(', ')
}

/** Connects, sends 'ping' if it can, and returns the events once no more happen. */
export async function asksInVain(endpoint: TestEndpoint): Promise<string> {
  const seen: string[] = []
  const client = net.connect(endpoint.port, endpoint.address)
  for (const event of ['connect', 'data', 'end', 'error']) client.on(event, () => seen.push(event))
  client.on('connect', () => void client.write('ping'))
  for (let turns = 0; turns < QUIET; turns++) await turn()
  await end(client)
  return [...seen, 'nothing'].join(', ')
}

/** Listens there, and returns the code with which that fails. */
export async function listens({ address, port }: TestEndpoint): Promise<string> {
  const server = net.createServer().listen({ host: address, port, exclusive: true })
  try {
    await once(server, 'listening')
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
  server.close()
  await once(server, 'close')
  return 'listening'
}

/** An endpoint in front of an echo server, which closes with it. */
export async function beforeEcho(open: (target: TestEndpoint) => Promise<TestEndpoint>): Promise<TestEndpoint> {
  const server = await listenTcp()
  const endpoint = await open(server as unknown as TestEndpoint).catch(async (error) => {
    await server.close()
    throw error
  })
  const close = async (): Promise<void> => {
    await endpoint.close()
    await server.close()
  }
  return { ...endpoint, close, [Symbol.asyncDispose]: close }
}

/** Opens the endpoint, or skips the test with the reason why this host does not support it. */
export async function openOrSkip(context: TestContext, open: () => Promise<TestEndpoint>): Promise<TestEndpoint> {
  try {
    return await open()
  } catch (error) {
    const { code, because, actual } = error as { code?: string; because?: string; actual?: string }
    if (code === 'ERR_PORTSIDE_UNSUPPORTED') context.skip(`${actual}: ${because}`)
    throw error
  }
}

/** Closes by a reset, which leaves no TIME_WAIT. */
async function end(client: net.Socket): Promise<void> {
  if (client.closed) return
  const closed = once(client, 'close')
  if (client.connecting) client.destroy()
  else if (!client.destroyed) client.resetAndDestroy()
  await closed
}
