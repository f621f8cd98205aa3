// `exhaust.mjs DIST` takes all ephemeral ports of this network, and exits with 0 if a connect then fails as it should.
import net from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'

const { assertEphemeralPortsExhausted, exhaustEphemeralPorts, listenTcp } = await import(
  pathToFileURL(join(process.argv[2], 'index.js')).href
)
const server = await listenTcp()
const exhaustion = await exhaustEphemeralPorts()
await assertEphemeralPortsExhausted(net.connect(server.port, server.address))
await exhaustion.release()
process.exit(0)
