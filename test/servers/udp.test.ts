import dgram from 'node:dgram'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { connectionTuple, listen, listenUdp, loopbackFamilies } from '../../src/index.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()
const FAMILIES = loopbackFamilies()

describe.each(FAMILIES)('listenUdp on %s', (family) => {
  it('echoes without a handler', async () => {
    const server = await listenUdp(undefined, { family })
    const client = await server.connect()
    client.send('hello')
    const [message] = await once(client, 'message')
    expect(String(message)).toBe('hello')
    expect(connectionTuple(client)).toMatchObject({ protocol: 'udp', remote: server.endpoint })
    await server.close()
  })

  it('passes the message, its sender and the socket for the answer', async () => {
    const server = await listenUdp((message, from, socket) => socket.send(`${message}!`, from.port, from.address), {
      family,
    })
    const client = await server.connect()
    client.send('hello')
    const [message] = await once(client, 'message')
    expect(String(message)).toBe('hello!')
    await server.close()
  })

  it('delivers the datagrams that the kernel holds before it closes', async () => {
    const seen: string[] = []
    const server = await listenUdp((message) => void seen.push(String(message)), { family })
    const client = await server.connect()
    await new Promise<void>((resolve) => client.send('last', () => resolve()))
    await server.close()
    expect(seen).toEqual(['last'])
  })

  it('sends queued datagrams before it closes', async () => {
    const server = await listenUdp(undefined, { family })
    const client = await server.connect()
    client.send('hello')
    const answer = once(client, 'message')
    await once(server.server, 'message')
    const closing = server.close()
    expect(String((await answer)[0])).toBe('hello')
    await closing
  })

  it('binds a socket made elsewhere to its own family', async () => {
    const socket = dgram.createSocket(family === 'IPv6' ? 'udp6' : 'udp4')
    const server = await listen(socket)
    expect(server.family).toBe(family)
    expect(server.server).toBe(socket)
    await server.close()
  })
})

describe('listenUdp', () => {
  it.skipIf(FAMILIES.length < 2)('answers both families on one port when dual', async () => {
    const server = await listenUdp(undefined, { family: 'dual' })
    for (const family of FAMILIES) {
      const client = await server.connect({ family })
      client.send(family)
      expect(String((await once(client, 'message'))[0])).toBe(family)
    }
    await server.close()
  })

  it.skipIf(FAMILIES.length < 2)('passes the messages of both families to a dual server made elsewhere', async () => {
    const socket = dgram.createSocket('udp6')
    const server = await listen(socket, { family: 'dual' })
    expect(server.endpoints.map(({ family }) => family)).toEqual(['IPv6', 'IPv4'])
    for (const family of FAMILIES) {
      const client = await server.connect({ family })
      client.send(family)
      expect(String((await once(socket, 'message'))[0])).toBe(family)
    }
    await server.close()
  })

  it("rejects a bound socket and a closed socket with Node's codes", async () => {
    const server = await listenUdp()
    await expect(listen(server.server)).rejects.toMatchObject({ code: 'ERR_SOCKET_ALREADY_BOUND' })
    await server.close()
    await expect(listen(server.server)).rejects.toMatchObject({ code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' })
  })

  it('closes although its user has closed the socket', async () => {
    const server = await listenUdp()
    server.server.close()
    await expect(server.close()).resolves.toMatchObject({ outcomes: [] })
  })
})
