import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { buffer } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  createScope,
  formatEndpoint,
  fragmentingEndpoint,
  listenHttp,
  listenTcp,
  listenUnix,
  loopbackFamilies,
  type NetScope,
  type RelayTarget,
  refusedEndpoint,
  resettingEndpoint,
  type SwitchableEndpoint,
  switchableEndpoint,
  type TestEndpoint,
} from '../../src/index.js'
import { gate, turn, until, watch } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { asks, asksInVain, listens } from './clients.js'

leavesNothingOpen()

const dial = ({ port, address }: TestEndpoint): net.Socket => {
  const socket = net.connect(port, address)
  onTestFinished(() => void socket.destroy())
  return socket
}

describe('a fragmenting endpoint', () => {
  it.each([1, 3, 64])('cuts the stream into pieces of %i bytes, and loses nothing', async (chunk) => {
    await using server = await listenTcp()
    await using endpoint = await fragmentingEndpoint(server, { chunk })
    const client = dial(endpoint)
    const sizes: number[] = []
    client.on('data', ({ length }) => sizes.push(length))
    const sent = Buffer.from(Array.from({ length: 500 }, (_, index) => index % 256))
    const received = buffer(client)
    client.end(sent)
    expect(await received).toEqual(sent)
    expect(sizes.length).toBeGreaterThan(1)
    // One by one, unless the kernel delivers late.
    expect(Math.min(...sizes)).toBeLessThanOrEqual(chunk)
  })

  it('cuts both directions', async () => {
    const seen: number[] = []
    await using server = await listenTcp((socket) => {
      socket.on('data', ({ length }) => seen.push(length)).on('end', () => socket.end('answered'))
    })
    await using endpoint = await fragmentingEndpoint(server, { chunk: 2 })
    const client = dial(endpoint)
    client.end('0123456789')
    expect(String(await buffer(client))).toBe('answered')
    expect(seen.reduce((sum, size) => sum + size)).toBe(10)
    expect(seen.length).toBeGreaterThan(1)
  })

  it('coalesces many writes', async () => {
    await using server = await listenTcp()
    await using endpoint = await fragmentingEndpoint(server, { chunk: Number.POSITIVE_INFINITY })
    const client = dial(endpoint).setNoDelay(true)
    const chunks: string[] = []
    client.on('data', (data) => chunks.push(String(data)))
    for (const letter of 'abcdefgh') {
      client.write(letter)
      await turn()
    }
    await until(() => chunks.join('').length === 8)
    expect(chunks.join('')).toBe('abcdefgh')
    client.end()
    await once(client, 'close')
  })

  it('relays more than fits into any buffer, without holding it in memory', async () => {
    await using server = await listenTcp()
    await using endpoint = await fragmentingEndpoint(server, { chunk: 65_536 })
    const client = dial(endpoint)
    const sent = Buffer.alloc(8 * 1024 * 1024, 'x')
    const received = buffer(client)
    client.end(sent)
    expect((await received).equals(sent)).toBe(true)
  })

  it('relays HTTP in pieces of one byte', async () => {
    await using server = await listenHttp((request, response) => response.end(`hello ${request.url}`))
    await using endpoint = await fragmentingEndpoint(server)
    const [response] = (await once(
      http.get({ host: endpoint.address, port: endpoint.port, path: '/ada', agent: false }),
      'response',
    )) as [http.IncomingMessage]
    expect(String(await buffer(response))).toBe('hello /ada')
  })

  it('relays a half-close: the other side can still write', async () => {
    const ended = gate()
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.resume().on('end', async () => {
        ended.open()
        socket.write('after ')
        await turn()
        socket.end('the end')
      })
    })
    server.listen(0, loopbackFamilies()[0] === 'IPv6' ? '::1' : '127.0.0.1')
    await once(server, 'listening')
    await using endpoint = await fragmentingEndpoint(server.address() as net.AddressInfo, { chunk: 4 })
    const client = dial(endpoint)
    client.end('done')
    await ended.opened
    expect(String(await buffer(client))).toBe('after the end')
    server.close()
    await once(server, 'close')
  })

  it('relays a reset from either side', async () => {
    await using resetting = await resettingEndpoint({ after: 'first-byte' })
    await using endpoint = await fragmentingEndpoint(resetting)
    expect(await asks(endpoint)).toBe('connect, ECONNRESET')

    const reset = gate<string | undefined>()
    await using server = await listenTcp((socket) => {
      socket.resume().on('error', (error: NodeJS.ErrnoException) => reset.open(error.code))
    })
    await using other = await fragmentingEndpoint(server)
    const client = dial(other)
    await once(client, 'connect')
    client.write('x')
    await until(() => server.connections.size === 1)
    client.resetAndDestroy()
    expect(await reset.opened).toBe('ECONNRESET')
  })

  it('resets its client if the target refuses', async () => {
    await using refused = await refusedEndpoint()
    await using endpoint = await fragmentingEndpoint(refused)
    expect(await asks(endpoint)).toMatch(/^(connect, )?ECONNRESET$/)
  })

  it('relays to a unix socket', async () => {
    await using server = await listenUnix()
    await using endpoint = await fragmentingEndpoint(server, { chunk: 2 })
    const client = dial(endpoint)
    client.end('over a path')
    expect(String(await buffer(client))).toBe('over a path')
  })

  it('closes its connections on both sides when it is closed', async () => {
    await using server = await listenTcp()
    const endpoint = await fragmentingEndpoint(server)
    const client = watch(net.connect(endpoint.port, endpoint.address))
    client.write('x')
    await client.receives('x')
    await endpoint.close()
    await client.closed
    await until(() => server.connections.size === 0)
  })

  it.each([
    [{ chunk: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ chunk: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ chunk: '1' }, 'ERR_INVALID_ARG_TYPE'],
    [{ delay: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ delay: '1' }, 'ERR_INVALID_ARG_TYPE'],
  ])('refuses %o', async (options, code) => {
    await using refused = await refusedEndpoint()
    await expect(fragmentingEndpoint(refused, options as object)).rejects.toMatchObject({ code })
  })
})

describe.each<[string, (target: RelayTarget) => Promise<TestEndpoint>]>([
  ['fragmentingEndpoint', fragmentingEndpoint],
  ['switchableEndpoint', switchableEndpoint],
])('%s', (_name, open) => {
  it.each([undefined, null, 5, 'localhost:80', {}, { address: '127.0.0.1' }, { address: 5, port: 5 }])(
    'rejects the target %o',
    async (target) => {
      await expect(open(target as RelayTarget)).rejects.toMatchObject({
        code: 'ERR_INVALID_ARG_TYPE',
        message: expect.stringContaining('an endpoint, a server, or { path }'),
      })
    },
  )
})

describe('a switchable endpoint', () => {
  type Switch = 'refuse' | 'stall' | 'reset' | 'restore'
  const MEETS: Record<Switch, { state: string; meets: (endpoint: TestEndpoint) => Promise<string>; outcome: RegExp }> =
    {
      refuse: { state: 'refusing', meets: asks, outcome: /^ECONNREFUSED$/ },
      stall: { state: 'stalled', meets: asksInVain, outcome: /^connect, nothing$/ },
      reset: { state: 'resetting', meets: asks, outcome: /^(connect, )?ECONNRESET$/ },
      restore: { state: 'relaying', meets: asks, outcome: /^connect, ping$/ },
    }
  const SWITCHES = Object.keys(MEETS) as Switch[]

  it('changes from any state to any other, at the same port', async () => {
    await using server = await listenTcp()
    await using endpoint = await switchableEndpoint(server)
    expect(endpoint.state).toBe('relaying')
    for (const from of SWITCHES) {
      for (const to of SWITCHES) {
        for (const change of [from, to]) {
          await endpoint[change]()
          const { state, meets, outcome } = MEETS[change]
          expect(endpoint.state).toBe(state)
          expect(await meets(endpoint), `${from} to ${to}: ${change}`).toMatch(outcome)
        }
      }
    }
  })

  it('resets its connections when it refuses, and keeps the port', async () => {
    await using net = createScope()
    const { endpoint, client } = await connected(net)
    await endpoint.refuse()
    await client.closed
    expect(client.errors).toMatchObject([{ code: 'ECONNRESET' }])
    expect(await listens(endpoint)).toBe('listening')
    await endpoint.restore()
    expect(await asks(endpoint)).toBe('connect, ping')
  })

  it('keeps connections open while it stalls, and delivers everything afterwards', async () => {
    await using net = createScope()
    const { endpoint, client } = await connected(net)
    await endpoint.stall()
    client.write(' held')
    const late = watch(dial(endpoint))
    await late.connected
    late.write('late')
    for (let turns = 0; turns < 50; turns++) await turn()
    expect([client.text(), late.text()]).toEqual(['first', ''])
    await endpoint.restore()
    await client.receives('first held')
    await late.receives('late')
    client.socket.end()
    await client.closed
    expect(client.errors).toEqual([])
  })

  it('also holds back an end', async () => {
    await using net = createScope()
    const { endpoint, client } = await connected(net)
    await endpoint.stall()
    client.socket.end()
    for (let turns = 0; turns < 50; turns++) await turn()
    expect(client.events).toEqual([])
    await endpoint.restore()
    await client.closed
    expect(client.events).toEqual(['end', 'close'])
  })

  it('switches in the order of the calls', async () => {
    await using server = await listenTcp()
    await using endpoint = await switchableEndpoint(server)
    await Promise.all([endpoint.refuse(), endpoint.stall(), endpoint.refuse(), endpoint.restore(), endpoint.refuse()])
    expect(await asks(endpoint)).toBe('ECONNREFUSED')
  })

  it('lets an HTTP client with retries recover from a service that goes away', async () => {
    await using server = await listenHttp((_request, response) => response.end('ok'))
    await using endpoint = await switchableEndpoint(server)
    const url = `http://${formatEndpoint(endpoint)}/`
    const outcome = () =>
      fetch(url).then(
        (response) => response.text(),
        (error) => error.cause.code,
      )
    expect(await outcome()).toBe('ok')
    await endpoint.refuse()
    expect(await outcome()).toBe('ECONNREFUSED')
    await endpoint.restore()
    expect(await outcome()).toBe('ok')
  })

  it('cannot be switched after it is closed', async () => {
    await using server = await listenTcp()
    const endpoint = await switchableEndpoint(server)
    await endpoint.stall()
    await endpoint.close()
    await expect(endpoint.restore()).rejects.toMatchObject({ code: 'ERR_PORTSIDE_SERVER_CLOSED' })
    expect(await asks(endpoint)).toBe('ECONNREFUSED')
  })

  /** The scope closes everything. */
  async function connected(net: NetScope): Promise<{ endpoint: SwitchableEndpoint; client: ReturnType<typeof watch> }> {
    const endpoint = await net.switchableEndpoint(await net.listenTcp())
    const client = watch(dial(endpoint))
    client.write('first')
    await client.receives('first')
    return { endpoint, client }
  }
})
