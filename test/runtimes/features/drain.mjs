import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { answerTo, echoed } from './talk.mjs'

export const drain = {
  async 'close() ends the idle connection of fetch'({ listenHttp }) {
    const server = await listenHttp((_request, response) => response.end('hello'))
    await (await fetch(server.url)).text()
    const { outcomes, destroyed, reset } = await server.close()
    assert.deepEqual({ destroyed, reset, connections: outcomes.length }, { destroyed: 0, reset: 0, connections: 1 })
  },
  async 'close() lets an answer finish and asks to close'({ listenHttp }) {
    const begun = []
    const server = await listenHttp((_request, response) => begun.push(response))
    const agent = new http.Agent({ keepAlive: true })
    const request = http.get(server.url, { agent })
    while (begun.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    const closing = server.close({ grace: 5000 })
    begun[0].end('whole')
    const [response] = await once(request, 'response')
    assert.equal(response.headers.connection, 'close')
    response.resume()
    await once(response, 'end')
    const { destroyed } = await closing
    assert.equal(destroyed, 0)
    agent.destroy()
  },
  async 'close() destroys what is stuck after the grace, and says so'({ listenTcp }) {
    const server = await listenTcp(() => {})
    const client = await server.connect({ allowHalfOpen: true })
    client.on('error', () => {})
    client.write('x')
    const { destroyed, outcomes } = await server.close({ grace: 50 })
    assert.equal(destroyed, 1)
    assert.equal(outcomes[0].outcome, 'destroyed')
  },
  async "force: 'reset' resets"({ listenTcp }) {
    const server = await listenTcp(() => {})
    const client = net.connect(server.port, server.address)
    await once(client, 'connect')
    const failed = new Promise((resolve) => client.once('error', resolve))
    client.resume()
    while (server.connections.size === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    await server.close({ grace: 0, force: 'reset' })
    assert.equal((await failed).code, 'ECONNRESET')
  },
  async 'a socket pool closes all that it tracks'({ createSocketPool, listenTcp }) {
    const server = await listenTcp()
    const pool = createSocketPool()
    await pool.connect(server)
    await pool.connect(server)
    assert.equal(pool.size, 2)
    await pool.drain()
    assert.equal(pool.size, 0)
    await server.close()
  },
  async 'a scope undoes everything'({ createScope, waitForRefused }) {
    const net = createScope()
    const server = await net.listenHttp((_request, response) => response.end())
    await net.reservePort()
    await (await fetch(server.url)).text()
    await net.close()
    await waitForRefused(server, { timeout: 5000 })
  },
  async 'assertDrained and the matchers of sockets'({ assertDrained, listenTcp }) {
    const server = await listenTcp()
    assert.equal(await echoed(await server.connect()), 'ping')
    await server.close()
    await assertDrained(server)
  },
  async 'http clients without keep-alive'({ listenHttp }) {
    const server = await listenHttp((_request, response) => response.end('hello'))
    assert.equal(await answerTo(http.request(server.url, { agent: false })), 'hello')
    await server.close()
  },
}
