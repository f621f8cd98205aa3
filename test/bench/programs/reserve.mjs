// Finds or reserves a port, and prints the milliseconds of each way in turns as JSON. Usage: reserve.mjs ROUNDS
import { once } from 'node:events'
import net from 'node:net'
import { detect } from 'detect-port'
import getPort, { clearLockedPorts } from 'get-port'
import { getPort as getPortPlease } from 'get-port-please'
import portfinder from 'portfinder'
import { reservePort } from 'portside'
import { alternate } from './alternate.mjs'

const rounds = Number(process.argv[2])
const accepting = net.createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
await once(accepting, 'listening')
const { port } = accepting.address()

const alone = await alternate(
  {
    'connect and accept': connectAndAccept,
    portside: () => reserve(),
    'portside, dual': () => reserve({ family: 'dual' }),
    'get-port': async () => {
      await getPort()
      // get-port remembers each port for at least 15 seconds, and would search longer with each call.
      clearLockedPorts()
    },
  },
  rounds,
  Math.ceil(rounds / 4),
)
// Another reservation keeps what all of them share, the listener that they are connected to.
const other = await reservePort()
const oneHeld = await alternate({ 'portside, another held': () => reserve() }, rounds)
await other.release()
// They take milliseconds each.
const peers = await alternate(
  {
    'get-port-please': () => getPortPlease(),
    'detect-port': () => detect(),
    portfinder: () => portfinder.getPortPromise(),
  },
  Math.ceil(rounds / 20),
)
accepting.close()
console.log(JSON.stringify({ ...alone, ...oneHeld, ...peers }))

async function reserve(options) {
  const reservation = await reservePort(options)
  await reservation.release()
}

/** The connection that holds a port, opened and closed by hand. */
async function connectAndAccept() {
  const client = net.connect({ port, host: '127.0.0.1', localAddress: '127.0.0.1' })
  const [[accepted]] = await Promise.all([once(accepting, 'connection'), once(client, 'connect')])
  accepted.on('error', () => {})
  const closed = Promise.all([once(client, 'close'), once(accepted, 'close')])
  client.resetAndDestroy()
  accepted.destroy()
  await closed
}
