// Opens and closes sockets, one after the other, and prints what each has cost: `connects COUNT` or `sockets COUNT`, with
// `--tracked` or without.
import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'

export async function openAndClose(count) {
  const server = net.createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  for (let i = 0; i < count; i++) {
    const socket = net.connect(server.address().port, '127.0.0.1')
    await once(socket, 'connect')
    // A reset leaves no TIME_WAIT, of which ten thousand would fill the range.
    socket.resetAndDestroy()
    await once(socket, 'close')
  }
  server.close()
  await once(server, 'close')
}

async function openAndCloseDatagram(count) {
  for (let i = 0; i < count; i++) {
    const socket = dgram.createSocket('udp4')
    await new Promise((resolve) => socket.close(resolve))
  }
}

const [, main, what, count, how] = process.argv
if (main === import.meta.filename) {
  let run = (action) => action()
  if (how === '--tracked') {
    const { trackSockets } = await import('portside')
    const tracking = trackSockets()
    run = (action) => tracking.run({ name: 'a test' }, action)
  }
  await run(() => openAndClose(500))
  if (what === 'connects') {
    const before = process.cpuUsage()
    await run(() => openAndClose(Number(count)))
    const { user, system } = process.cpuUsage(before)
    console.log(JSON.stringify({ cpu: (user + system) / Number(count) }))
  } else {
    // One in ten is a connection, with both of its ends.
    const open = async (sockets) => {
      await openAndCloseDatagram(sockets * 0.8)
      await openAndClose(sockets * 0.1)
    }
    await run(() => open(10_000))
    const before = heapUsed()
    await run(() => open(Number(count)))
    const a = heapUsed()
    console.log(JSON.stringify({ heap: a / before, before, after: a }))
  }
}

function heapUsed() {
  globalThis.gc()
  globalThis.gc()
  return process.memoryUsage().heapUsed
}
