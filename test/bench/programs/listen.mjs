// Listens and closes without clients, and prints milliseconds as JSON: `cold WAY COUNT`, the mean of the first COUNT of this process,
// or `warm ROUNDS`, each of all ways in turns.
import { once } from 'node:events'
import net from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { alternate } from './alternate.mjs'

const WAYS = {
  portside: async () => {
    const { listenTcp } = await import('portside')
    return async () => {
      const server = await listenTcp()
      await server.close()
    }
  },
  // As portside promises: the port is read, and Node has released the handle.
  net: async () => async () => {
    const server = net.createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    server.address()
    server.close()
    await once(server, 'close')
    await turn()
  },
  'net with callbacks': async () => () =>
    new Promise((resolve) => {
      const server = net.createServer()
      server.listen(0, '127.0.0.1', () => server.close(() => resolve()))
    }),
  'async-listen': async () => {
    const { listen } = await import('async-listen')
    return async () => {
      const server = net.createServer()
      await listen(server, 0, '127.0.0.1')
      await new Promise((resolve) => server.close(resolve))
    }
  },
}

const [, , how, ...args] = process.argv
if (how === 'cold') {
  const [way, count] = args
  const listenOnce = await WAYS[way]()
  const begun = performance.now()
  for (let i = 0; i < Number(count); i++) await listenOnce()
  console.log(JSON.stringify((performance.now() - begun) / Number(count)))
} else {
  const tasks = {}
  for (const [name, make] of Object.entries(WAYS)) tasks[name] = await make()
  console.log(JSON.stringify(await alternate(tasks, Number(args[0]), 500)))
}
