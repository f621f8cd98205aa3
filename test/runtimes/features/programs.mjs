import assert from 'node:assert/strict'
import http from 'node:http'
import { join } from 'node:path'
import { ownRuntime } from './talk.mjs'

const PROGRAM = join(import.meta.dirname, 'program.mjs')

const started = (spawnListening, options) => {
  const [program, args] = ownRuntime()
  return spawnListening(program, [...args, PROGRAM], { output: 'buffer', timeout: 15_000, ...options })
}

export const programs = {
  async 'spawnListening by port'({ spawnListening }) {
    const child = await started(spawnListening)
    assert.equal(await (await fetch(`http://127.0.0.1:${child.port}`)).text(), 'program')
    const { owned } = child
    const ended = await child.stop()
    assert.ok(ended.code !== null || ended.signal !== null)
    return `owned: ${owned}`
  },
  async 'spawnListening by descriptor'({ spawnListening }) {
    const child = await started(spawnListening, { by: 'descriptor' })
    assert.equal(await (await fetch(`http://127.0.0.1:${child.port}`)).text(), 'program')
    await child.stop()
  },
  async 'spawnListening with ready: { http }'({ spawnListening }) {
    const child = await started(spawnListening, { ready: { http: '/' } })
    await child.stop()
  },
  async 'a program that exits early is reported with its output'({ spawnListening }) {
    await assert.rejects(started(spawnListening, { env: { FAILS: 'yes' } }), (error) => {
      assert.equal(error.code, 'ERR_PORTSIDE_CHILD_EXITED')
      assert.match(error.message, /cannot start/)
      return true
    })
  },
  async 'waitForListening and waitForReady'({ reservePort, waitForListening, waitForReady }) {
    const reservation = await reservePort()
    const server = http.createServer((_request, response) => response.end('ready'))
    const waiting = waitForListening({ address: '127.0.0.1', port: reservation.port }, { timeout: 10_000 })
    await reservation.release()
    server.listen(reservation.port, '127.0.0.1')
    await waiting
    await waitForReady(`http://127.0.0.1:${reservation.port}/`, { timeout: 10_000 })
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  },
}
