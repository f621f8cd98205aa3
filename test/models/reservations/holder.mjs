// Reserves, listens on and releases ports as messages say, and answers with 'had' or a code. Runs as a process or a thread.
import { parentPort } from 'node:worker_threads'

const { listenTcp, reservePort } = await import(process.env.PORTSIDE)
const channel = parentPort ?? process
const say = (message) => (parentPort === null ? process.send(message) : parentPort.postMessage(message))
const held = new Map()

const ACTIONS = {
  async reserve({ port, protocol }) {
    held.set(`${protocol} ${port}`, await reservePort({ port: [port], protocol, fetchSafe: false }))
  },
  async release({ port, protocol }) {
    await held.get(`${protocol} ${port}`).release()
  },
  async listen({ port, protocol }) {
    const server = await listenTcp(undefined, { port: held.get(`${protocol} ${port}`) })
    await server.close()
  },
}

channel.on('message', async (told) => {
  try {
    await ACTIONS[told.action](told)
    say('had')
  } catch (error) {
    say(error.code ?? error.message)
  }
})
say('ready')
if (parentPort === null) process.once('disconnect', () => process.exit())
