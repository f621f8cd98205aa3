import assert from 'node:assert/strict'
import process from 'node:process'

export const tables = {
  async readSocketTable({ listenTcp, readSocketTable }) {
    const server = await listenTcp()
    const entries = await readSocketTable({ protocol: 'tcp', port: server.port })
    const listener = entries.find(({ state }) => state === 'LISTEN')
    assert.equal(listener?.local?.port, server.port)
    assert.equal(listener.pid, process.pid)
    await server.close()
  },
  async findOwners({ listenUdp, findOwners }) {
    const server = await listenUdp()
    const owners = await findOwners(server.endpoint)
    const own = owners.find(({ pid }) => pid === process.pid)
    assert.equal(own?.thisProcess, true)
    assert.ok(own.program, 'the program has no name')
    await server.close()
  },
  async socketDescriptors({ listenTcp, socketDescriptors }) {
    const before = new Set(socketDescriptors().map(({ fd }) => fd))
    const server = await listenTcp()
    const opened = socketDescriptors().filter(({ fd }) => !before.has(fd))
    assert.ok(opened.length > 0, 'no descriptor is new')
    await server.close()
  },
  async ephemeralPorts({ ephemeralPorts }) {
    const { first, last, available } = await ephemeralPorts()
    assert.ok(first < last && available > 0)
  },
  async 'private networks'({ namespaceSupport, spawnInNamespace }) {
    const support = await namespaceSupport()
    if (!support.supported) {
      throw Object.assign(new Error(support.reason), { code: 'ERR_PORTSIDE_UNSUPPORTED' })
    }
    const child = await spawnInNamespace({ ephemeralPorts: 10 }, 'true', [], { stdio: 'ignore' })
    const code = child.exitCode ?? (await new Promise((resolve) => child.once('exit', resolve)))
    assert.equal(code, 0)
  },
  async 'exhaustion of the ephemeral range'({ namespaceSupport, spawnInNamespace, dist }) {
    const support = await namespaceSupport()
    if (!support.supported) {
      throw Object.assign(new Error(support.reason), { code: 'ERR_PORTSIDE_UNSUPPORTED' })
    }
    const { ownRuntime } = await import('./talk.mjs')
    const { join } = await import('node:path')
    const [program, args] = ownRuntime()
    const child = await spawnInNamespace(
      { ephemeralPorts: 30 },
      program,
      [...args, join(import.meta.dirname, 'exhaust.mjs'), dist],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    )
    const code = child.exitCode ?? (await new Promise((resolve) => child.once('exit', resolve)))
    assert.equal(code, 0)
  },
}
