import { once } from 'node:events'
import net from 'node:net'
import getPort, { clearLockedPorts } from 'get-port'
import { Bench } from 'tinybench'
import { type PortReservation, reservePort } from '../../dist/index.js'
import { type Figure, medianOf } from './figure.js'

/** `reservePort()` and `release()`, beside the connection that holds the port, opened and closed by hand. */
export async function reserveAndRelease(): Promise<Figure[]> {
  const accepting = net.createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(accepting, 'listening')
  const { port } = accepting.address() as net.AddressInfo
  let other: PortReservation | undefined
  const bench = new Bench({ time: 1500, warmupTime: 500 })
  bench
    .add('net, connect and accept', async () => {
      const client = net.connect({ port, host: '127.0.0.1', localAddress: '127.0.0.1' })
      const [[accepted]] = await Promise.all([once(accepting, 'connection'), once(client, 'connect')])
      const closed = Promise.all([
        once(client, 'close'),
        once(
          accepted.on('error', () => {}),
          'close',
        ),
      ])
      client.resetAndDestroy()
      accepted.destroy()
      await closed
    })
    .add('portside', reserveOnce)
    // Another reservation keeps what all of them share, the listener that they are connected to.
    .add('portside, one held', reserveOnce, {
      beforeAll: async () => {
        other = await reservePort()
      },
      afterAll: () => other?.release(),
    })
    .add('portside, dual', async () => {
      const reservation = await reservePort({ family: 'dual' })
      await reservation.release()
    })
    .add('get-port', async () => {
      await getPort()
      // It remembers each port for 15 seconds at least, and would look for ever longer for one that is not among them.
      clearLockedPorts()
    })
  await bench.run()
  accepting.close()
  const [raw, ours, oneHeld, dual, theirs] = bench.tasks.map(medianOf)
  return [
    { name: 'reservePort + release, median', value: ours! * 1000, unit: 'us', bar: 250 },
    { name: 'reservePort + release, beside raw connect and accept', value: ours! / raw!, unit: 'x', bar: 1.2 },
    { name: '  the same while another is held', value: oneHeld! / raw!, unit: 'x', bar: 1.2 },
    { name: '  the same, dual', value: dual! / raw!, unit: 'x' },
    { name: '  beside getPort() of get-port, which holds nothing', value: ours! / theirs!, unit: 'x' },
  ]
}

async function reserveOnce(): Promise<void> {
  const reservation = await reservePort()
  await reservation.release()
}
