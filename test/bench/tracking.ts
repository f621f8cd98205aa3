import { once } from 'node:events'
import net from 'node:net'
import { listenTcp } from '../../dist/index.js'
import { type Figure, median } from './figure.js'

const CONNECTIONS = 2000

/** CPU that an accepted connection costs more because it is tracked. */
export async function trackedAccept(rounds = 9): Promise<Figure[]> {
  const bare: number[] = []
  const tracked: number[] = []
  await bareServer()
  await trackedServer()
  for (let round = 0; round < rounds; round++) {
    bare.push(await bareServer())
    tracked.push(await trackedServer())
  }
  const added = median(tracked.map((cpu, round) => cpu - bare[round]!))
  return [
    { name: 'CPU added for each accepted connection', value: added, unit: 'us', bar: 5 },
    { name: 'CPU for each connection, beside net', value: median(tracked) / median(bare), unit: 'x' },
  ]
}

async function bareServer(): Promise<number> {
  const server = net.createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cpu = await connectMany((server.address() as net.AddressInfo).port)
  server.close()
  await once(server, 'close')
  return cpu
}

async function trackedServer(): Promise<number> {
  const server = await listenTcp((socket) => void socket.resume())
  const cpu = await connectMany(server.port)
  await server.close()
  return cpu
}

/** Opens and closes connections one after the other; microseconds of CPU for each. */
async function connectMany(port: number): Promise<number> {
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
