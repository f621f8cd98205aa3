import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { echoed, sleep } from './talk.mjs'

const opened = async (endpoint, look) => {
  try {
    return await look(endpoint)
  } finally {
    await endpoint[Symbol.asyncDispose]()
  }
}

export const endpoints = {
  async refusedEndpoint({ refusedEndpoint, assertConnectionRefused }) {
    await opened(await refusedEndpoint(), ({ address, port }) => assertConnectionRefused(net.connect(port, address)))
  },
  async occupiedEndpoint({ occupiedEndpoint, assertAddressInUse }) {
    await opened(await occupiedEndpoint(), ({ address, port }) =>
      assertAddressInUse(() => listening(net.createServer(), port, address)),
    )
  },
  async unresponsiveEndpoint({ unresponsiveEndpoint }) {
    await opened(await unresponsiveEndpoint(), async ({ address, port }) => {
      const socket = net.connect(port, address)
      const answer = await Promise.race([
        once(socket, 'connect').then(() => 'connected'),
        new Promise((resolve) => socket.once('error', (error) => resolve(error.code))),
        sleep(300),
      ])
      socket.destroy()
      assert.equal(answer, undefined)
    })
  },
  async stalledEndpoint({ stalledEndpoint }) {
    await opened(await stalledEndpoint(), async ({ address, port }) => {
      const socket = net.connect(port, address)
      await once(socket, 'connect')
      socket.write('x')
      const answer = await Promise.race([once(socket, 'data'), once(socket, 'close'), sleep(100)])
      socket.destroy()
      assert.equal(answer, undefined)
    })
  },
  async resettingEndpoint({ resettingEndpoint, assertConnectionReset }) {
    await opened(await resettingEndpoint(), ({ address, port }) => {
      const socket = net.connect(port, address)
      socket.resume()
      return assertConnectionReset(socket)
    })
  },
  async fragmentingEndpoint({ fragmentingEndpoint, listenTcp }) {
    const server = await listenTcp()
    await opened(await fragmentingEndpoint(server, { chunk: 1 }), async ({ address, port }) => {
      const socket = net.connect(port, address)
      socket.write('ping')
      let text = ''
      for await (const chunk of socket) if ((text += chunk).length === 4) break
      assert.equal(text, 'ping')
    })
    await server.close()
  },
  async switchableEndpoint({ switchableEndpoint, listenTcp, assertConnectionRefused }) {
    const server = await listenTcp()
    await opened(await switchableEndpoint(server), async (endpoint) => {
      assert.equal(await echoed(net.connect(endpoint.port, endpoint.address)), 'ping')
      await endpoint.refuse()
      await assertConnectionRefused(net.connect(endpoint.port, endpoint.address))
      await endpoint.restore()
      assert.equal(await echoed(net.connect(endpoint.port, endpoint.address)), 'ping')
    })
    await server.close()
  },
  async unassignedEndpoint({ unassignedEndpoint, assertAddressNotAvailable }) {
    await opened(await unassignedEndpoint(), ({ address, port }) =>
      assertAddressNotAvailable(() => listening(net.createServer(), port, address)),
    )
  },
  async privilegedEndpoint({ privilegedEndpoint, assertPermissionDenied }) {
    await opened(await privilegedEndpoint(), ({ address, port }) =>
      assertPermissionDenied(() => listening(net.createServer(), port, address)),
    )
  },
}

function listening(server, port, address) {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, address, resolve)
  })
}
