import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { join } from 'node:path'
import { echoed, ownRuntime } from './talk.mjs'

const bindZero = async () => {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

export const ports = {
  async 'reservePort holds a port that refuses connections'({ reservePort, assertConnectionRefused }) {
    const reservation = await reservePort()
    assert.equal(reservation.held, true)
    await assertConnectionRefused(net.connect(reservation.port, reservation.address))
    for (let i = 0; i < 50; i++) assert.notEqual(await bindZero(), reservation.port)
    await reservation.release()
  },
  async 'a second reservation of the port fails'({ reservePort }) {
    const reservation = await reservePort()
    await assert.rejects(reservePort({ port: [reservation.port] }), { code: 'EADDRINUSE' })
    await reservation.release()
    const again = await reservePort({ port: [reservation.port] })
    await again.release()
  },
  async 'another process cannot reserve the port'({ reservePort, dist }) {
    const reservation = await reservePort()
    const [program, args] = ownRuntime()
    const child = spawn(program, [...args, join(import.meta.dirname, 'reserve.mjs'), dist, String(reservation.port)], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const [code] = await once(child, 'exit')
    await reservation.release()
    assert.equal(code, 42, `the other process exited with ${code}`)
  },
  async 'a server listens on a reservation, twice'({ reservePort, listenTcp }) {
    const reservation = await reservePort()
    for (let i = 0; i < 2; i++) {
      const server = await listenTcp(undefined, { port: reservation })
      assert.equal(server.port, reservation.port)
      assert.equal(await echoed(await server.connect()), 'ping')
      await server.close()
    }
    await reservation.release()
  },
  async 'the port stays held while a server listens on it'({ reservePort, listenTcp }) {
    const reservation = await reservePort()
    const server = await listenTcp(undefined, { port: reservation })
    const { held } = reservation
    await server.close()
    const after = reservation.held
    await reservation.release()
    assert.deepEqual({ held, after }, { held: true, after: true })
  },
  async 'reservePort, dual'({ reservePort }) {
    const reservation = await reservePort({ family: 'dual' })
    assert.equal(reservation.endpoints.length, 2)
    await reservation.release()
  },
  async reservePorts({ reservePorts }) {
    const reserved = await reservePorts(5)
    assert.equal(new Set(reserved.ports).size, 5)
    await reserved.release()
  },
  async 'reservePort, UDP'({ reservePort, listenUdp }) {
    const reservation = await reservePort({ protocol: 'udp' })
    const server = await listenUdp(undefined, { port: reservation })
    assert.equal(server.port, reservation.port)
    await server.close()
    await reservation.release()
  },
  async 'get-port'({ entry }) {
    const { default: getPort, portNumbers } = await entry('get-port.js')
    const port = await getPort()
    const server = net.createServer().listen(port)
    await once(server, 'listening')
    assert.notEqual(await getPort({ port: portNumbers(port, port + 20) }), port)
    await new Promise((resolve) => server.close(resolve))
  },
}
