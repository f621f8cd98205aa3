// Accepts connections with plain `net` and with portside in turns, and prints the microseconds of CPU of each connection as JSON.
// Usage: accept.mjs ROUNDS
import { once } from 'node:events'
import net from 'node:net'
import { listenTcp } from 'portside'

const CONNECTIONS = 2000

const times = { net: [], portside: [] }
for (let round = -1; round < Number(process.argv[2]); round++) {
  const bare = await bareServer()
  const tracked = await trackedServer()
  if (round < 0) continue
  times.net.push(bare)
  times.portside.push(tracked)
}
console.log(JSON.stringify(times))

async function bareServer() {
  const server = net.createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cpu = await connectMany(server.address().port)
  server.close()
  await once(server, 'close')
  return cpu
}

async function trackedServer() {
  const server = await listenTcp((socket) => void socket.resume())
  const cpu = await connectMany(server.port)
  await server.close()
  return cpu
}

/** Opens and closes connections one after the other. */
async function connectMany(port) {
  const before = process.cpuUsage()
  for (let i = 0; i < CONNECTIONS; i++) {
    const socket = net.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    // A reset leaves no TIME_WAIT, of which 36 000 would fill the range.
    socket.resetAndDestroy()
    await once(socket, 'close')
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / CONNECTIONS
}
