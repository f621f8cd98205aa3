import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import { describe, expect, it } from 'vitest'
import { connectionTuple, createScope, loopbackFamilies } from '../../src/index.js'
import { formatTuple } from '../../src/sockets/tuple.js'
import { turn } from '../support/clients.js'
import { HERE, UDP_HERE } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

describe('connectionTuple', () => {
  it.each(loopbackFamilies())('is mirrored at the two ends of a connection over %s', async (family) => {
    await using scope = createScope()
    const server = await scope.listenTcp(undefined, { family })
    const client = (await server.connect()) as net.Socket
    while (server.connections.size === 0) await turn()
    const [accepted] = [...server.connections] as [net.Socket]
    const tuple = connectionTuple(client)
    expect(tuple).toMatchObject({ protocol: 'tcp', remote: server.endpoint, local: { family } })
    expect(connectionTuple(accepted)).toEqual({ protocol: 'tcp', local: tuple.remote, remote: tuple.local })
  })

  it('gives an IPv4 peer of a dual-stack wildcard the address that the peer has', async (context) => {
    if (loopbackFamilies().length < 2) context.skip('this host has one family only')
    await using scope = createScope()
    const server = await scope.listenTcp(undefined, { host: '::' })
    const client = net.connect(server.port, HERE)
    await once(client, 'connect')
    while (server.connections.size === 0) await turn()
    const [accepted] = [...server.connections] as [net.Socket]
    expect(connectionTuple(accepted).remote).toEqual(connectionTuple(client).local)
  })

  it('has no addresses before a socket is connected', () => {
    expect(connectionTuple(new net.Socket())).toEqual({ protocol: 'tcp', local: '' })
  })

  it.each([undefined, null, 5])('rejects %o', (socket) => {
    expect(() => connectionTuple(socket as unknown as net.Socket)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }),
    )
  })

  it('has no remote end for an unconnected datagram socket', async () => {
    const socket = dgram.createSocket(UDP_HERE).bind(0, HERE)
    await once(socket, 'listening')
    expect(connectionTuple(socket)).toEqual({ protocol: 'udp', local: socket.address() })
    await new Promise<void>((resolve) => socket.close(() => resolve()))
  })
})

it.each([
  [
    { local: { address: '::1', port: 1, family: 'IPv6' }, remote: { address: '::1', port: 2, family: 'IPv6' } },
    '[::1]:1 -> [::1]:2',
  ],
  [{ local: '/tmp/s.sock' }, '/tmp/s.sock'],
  [{ local: '', remote: '/tmp/s.sock' }, '(unnamed) -> /tmp/s.sock'],
] as const)('%o is written as %s', (tuple, text) => {
  expect(formatTuple(tuple)).toBe(text)
})
