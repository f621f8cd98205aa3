import { once } from 'node:events'
import net from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { Bench } from 'tinybench'
import { listenTcp } from '../../dist/index.js'
import { type Figure, medianOf } from './figure.js'

/** `listenTcp()` and `close()` without clients, beside the same with plain `net`. */
export async function listenAndClose(): Promise<Figure[]> {
  const bench = new Bench({ time: 1500, warmupTime: 500 })
  bench
    .add(
      'net, callbacks',
      () =>
        new Promise<void>((resolve) => {
          const server = net.createServer()
          server.listen(0, '127.0.0.1', () => server.close(() => resolve()))
        }),
    )
    // The same promise as ours: the port is read, and Node has let go of the handle.
    .add('net, awaited', async () => {
      const server = net.createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      server.address()
      server.close()
      await once(server, 'close')
      await turn()
    })
    .add('portside', async () => {
      const server = await listenTcp()
      await server.close()
    })
  await bench.run()
  const [callbacks, awaited, ours] = bench.tasks.map(medianOf)
  return [
    { name: 'listenTcp + close, beside net with callbacks', value: ours! / callbacks!, unit: 'x', bar: 1.4 },
    { name: 'listenTcp + close, beside net with the same promise', value: ours! / awaited!, unit: 'x', bar: 1.4 },
  ]
}
