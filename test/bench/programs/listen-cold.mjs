// Listens and closes 150 times, the first of this process, and prints the microseconds of CPU of each: `net` or `portside`.
import { once } from 'node:events'
import net from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'

const COUNT = 150

async function plain() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.address()
  server.close()
  await once(server, 'close')
  // The handle of libuv is closed a turn later.
  await turn()
}

async function ours() {
  const { listenTcp } = await import('../../../dist/index.js')
  return async () => {
    const server = await listenTcp()
    await server.close()
  }
}

const listenAndClose = process.argv[2] === 'net' ? plain : await ours()
const before = process.cpuUsage()
for (let i = 0; i < COUNT; i++) await listenAndClose()
const { user, system } = process.cpuUsage(before)
console.log(JSON.stringify({ cpu: (user + system) / COUNT }))
