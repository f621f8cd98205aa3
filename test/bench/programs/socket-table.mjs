// Reads the socket table with so many sockets in this process, in turns with `ss` where that is, and prints milliseconds as JSON.
// Usage: socket-table.mjs SOCKETS ROUNDS
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { promisify } from 'node:util'
import { readSocketTable } from 'portside'
import { alternate } from './alternate.mjs'

const [sockets, rounds] = process.argv.slice(2).map(Number)
const run = (command, ...args) => promisify(execFile)(command, args, { maxBuffer: 64 << 20 })
const hasSs = await run('ss', '-V').then(
  () => true,
  () => false,
)
const open = await openMany(sockets / 2)
const table = await alternate(
  { portside: () => readSocketTable(), ...(hasSs && { 'ss -tan': () => run('ss', '-tan') }) },
  rounds,
)
const pids = await alternate(
  {
    'portside, all pids': async () => (await readSocketTable()).map(({ pid }) => pid),
    ...(hasSs && { 'ss -tanp': () => run('ss', '-tanp') }),
  },
  rounds,
)
await closeAll(open)
console.log(JSON.stringify({ ...table, ...pids }))

/** So many connections, both ends in this process: the clients, the accepted, and the server. */
async function openMany(connections) {
  let accepted = 0
  const server = net.createServer((socket) => {
    accepted++
    // Reset by its client.
    socket.on('error', () => {})
  })
  await once(server.listen(0, '127.0.0.1', 511), 'listening')
  const { port } = server.address()
  const clients = []
  // A queue holds so many at once.
  while (clients.length < connections) {
    const some = Array.from({ length: Math.min(250, connections - clients.length) }, () =>
      net.connect(port, '127.0.0.1'),
    )
    await Promise.all(some.map((client) => once(client, 'connect')))
    clients.push(...some)
  }
  while (accepted < connections) await once(server, 'connection')
  return { server, clients }
}

/** A reset leaves no TIME_WAIT. */
async function closeAll({ server, clients }) {
  for (const client of clients) client.resetAndDestroy()
  server.close()
  await once(server, 'close')
}
