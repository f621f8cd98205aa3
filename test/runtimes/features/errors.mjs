import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import process from 'node:process'

export const errors = {
  async 'assertConnectionRefused of a socket, http.request and fetch'({ refusedEndpoint, assertConnectionRefused }) {
    const endpoint = await refusedEndpoint()
    const url = `http://127.0.0.1:${endpoint.port}/`
    await assertConnectionRefused(net.connect(endpoint.port, '127.0.0.1'))
    await assertConnectionRefused(once(http.get(url), 'response'))
    await assertConnectionRefused(fetch(url))
    await endpoint[Symbol.asyncDispose]()
  },
  async 'assertAddressInUse of a server'({ listenTcp, assertAddressInUse }) {
    const server = await listenTcp()
    const error = await assertAddressInUse(server.port === 0 ? undefined : listened(server), { port: server.port })
    assert.equal(error.code, 'EADDRINUSE')
    await server.close()
  },
  async 'assertConnectionReset of fetch'({ resettingEndpoint, assertConnectionReset }) {
    const endpoint = await resettingEndpoint({ after: 'first-byte' })
    await assertConnectionReset(fetch(`http://127.0.0.1:${endpoint.port}/`))
    await endpoint[Symbol.asyncDispose]()
  },
  async assertReleased({ listenTcp, assertReleased }) {
    const server = await listenTcp()
    await server.close()
    await assertReleased(server.endpoint)
  },
  async 'an assertion that fails explains itself'({ listenTcp, assertConnectionRefused }) {
    const server = await listenTcp()
    await assert.rejects(assertConnectionRefused(net.connect(server.port, server.address)), {
      name: 'PortsideAssertionError',
    })
    await server.close()
  },
  async 'explainSocketError of EADDRINUSE names the owner'({ listenTcp, explainSocketError }) {
    const server = await listenTcp()
    const error = await listened(server).catch((error) => error)
    const { kind, owners, cause } = await explainSocketError(error)
    assert.equal(kind, 'conflict')
    assert.ok(owners.length > 0 && owners[0].pid === process.pid, `owners: ${JSON.stringify(owners)}, ${cause}`)
    await server.close()
  },
  async 'explainSocketError of a refused fetch'({ refusedEndpoint, explainSocketError }) {
    const endpoint = await refusedEndpoint()
    const error = await fetch(`http://127.0.0.1:${endpoint.port}/`).catch((error) => error)
    const { kind } = await explainSocketError(error)
    assert.equal(kind, 'refused')
    await endpoint[Symbol.asyncDispose]()
  },
  async fillSendBuffer({ fillSendBuffer, stalledEndpoint, createSocketPool }) {
    const endpoint = await stalledEndpoint()
    const pool = createSocketPool({ grace: 0 })
    try {
      const { queuedInNode } = await fillSendBuffer(await pool.connect(endpoint))
      assert.ok(queuedInNode > 0)
    } finally {
      await pool.drain()
      await endpoint[Symbol.asyncDispose]()
    }
  },
}

function listened({ port, address }) {
  return new Promise((resolve, reject) => {
    net.createServer().once('error', reject).listen(port, address, resolve)
  })
}
