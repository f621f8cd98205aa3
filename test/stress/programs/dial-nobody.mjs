// Connects to ports without a listener, and counts the outcomes.
// Settings: `{ refused: options of refusedEndpoint() or undefined, port, address, dials, lanes }`
// Without `refused` it connects to `address` and `port`.
import net from 'node:net'
import { refusedEndpoint } from '../../../dist/index.js'

const { refused, address, port, dials, lanes } = JSON.parse(process.argv[2])
const target = refused === undefined ? { address, port } : await refusedEndpoint(refused)

const outcomes = {}
let left = dials
const lane = async () => {
  while (left-- > 0) {
    const outcome = await dial()
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  }
}

function dial() {
  return new Promise((resolve) => {
    const socket = net.connect({ host: target.address, port: target.port })
    socket.once('error', ({ code }) => resolve(code))
    socket.once('connect', () => {
      const outcome = socket.localPort === target.port ? 'connected to itself' : 'connected'
      socket.resetAndDestroy()
      socket.once('close', () => resolve(outcome))
    })
  })
}

await Promise.all(Array.from({ length: lanes }, lane))
await target.close?.()
process.stdout.write(JSON.stringify(outcomes))
