// Takes ports from a library, waits a while, and listens on each for a while. If another socket has the port, the listen fails
// with EADDRINUSE. It connects to its own server all the time. Many run in parallel.
// Settings: { library, lanes, each, longest }
import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { settings, takePart } from './party.mjs'

const { library, lanes, each, longest } = settings

/** How long each connection stays open, in milliseconds. */
const OPEN = 10
/** Less than the time for which portside/get-port keeps a port, in milliseconds. They leave after all have answered. */
const KEPT = 29_000

/** A clock that all processes share (CLOCK_MONOTONIC), in milliseconds. */
const now = () => Number(process.hrtime.bigint() / 1000n) / 1000

const take = await {
  async portside() {
    const { reservePort } = await import('../../../dist/index.js')
    return async () => {
      const reservation = await reservePort()
      return { port: reservation.port, giveBack: () => reservation.release() }
    }
  },
  async 'portside/get-port'() {
    const { default: getPort } = await import('../../../dist/get-port.js')
    return async () => ({ port: await getPort(), kept: true })
  },
  async 'get-port'() {
    const { default: getPort } = await import('get-port')
    return async () => ({ port: await getPort() })
  },
}[library]()

takePart(async () => {
  // Each is [port, from, to, code]: a time in which the port is certainly its own.
  const takings = []
  const failures = []
  const over = new AbortController()
  const dialling = Promise.all(Array.from({ length: lanes }, () => dialUntil(over.signal)))
  const lane = async () => {
    for (let i = 0; i < each; i++) {
      try {
        const { port, kept, giveBack } = await take()
        const from = now()
        await wait(Math.random() * longest)
        const code = await listenForAWhile(port)
        takings.push([port, from, kept ? from + KEPT : now(), code])
        await giveBack?.()
      } catch (error) {
        failures.push(error.code ?? error.message)
      }
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  over.abort()
  const dialled = await dialling
  const [dials, unconnected] = ['dials', 'unconnected'].map((name) => dialled.flatMap((one) => one[name]))
  return { found: { takings, failures, dials, unconnected } }
})

async function listenForAWhile(port) {
  const server = net.createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
  } catch (error) {
    return error.code
  }
  await wait(Math.random() * longest)
  server.close()
  await once(server, 'close')
  return ''
}

/** get-port binds by number, and may get a port that the kernel has picked for this listener before it listens. */
async function listenAnywhere(server) {
  for (;;) {
    try {
      await once(server.listen(0, '127.0.0.1'), 'listening')
      return
    } catch (error) {
      if (error.code !== 'EADDRINUSE') throw error
      await wait(OPEN)
    }
  }
}

/** One short connection after the other. Each closes by a reset: otherwise its port would be in TIME_WAIT for a minute. */
async function dialUntil(over) {
  const server = net.createServer((socket) => void socket.on('error', () => {}))
  await listenAnywhere(server)
  const dials = []
  const unconnected = []
  while (!over.aborted) {
    const socket = net.connect(server.address().port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      const from = now()
      await wait(OPEN)
      dials.push([socket.localPort, from, now()])
      socket.resetAndDestroy()
      await once(socket, 'close')
    } catch (error) {
      unconnected.push(error.code)
      await wait(OPEN)
    }
  }
  server.close()
  await once(server, 'close')
  return { dials, unconnected }
}
