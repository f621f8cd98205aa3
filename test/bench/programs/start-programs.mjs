// Starts and stops programs in turns, by a bare spawn and by spawnListening, and prints the times of all of them as JSON.
// Usage: start-programs.mjs ROUNDS FOLDER, that of fixtures/programs
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { spawnListening } from 'portside'

const [, , rounds, folder] = process.argv
const BY_PORT = join(folder, 'serve-port.mjs')
const BY_DESCRIPTOR = join(folder, 'serve-descriptor.mjs')
const env = { ...process.env, HOSTS: '127.0.0.1' }

/** Milliseconds between two attempts of the plain loop. */
const PAUSE = 2

const WAYS = {
  bare,
  byPort: () => ours(BY_PORT, { env }),
  oneFamily: () => ours(BY_PORT, { env, family: 'IPv4' }),
  anywhere: () => ours(BY_PORT, { env: { ...env, PORT: '0' }, port: 'any' }),
  byDescriptor: () => ours(BY_DESCRIPTOR, { by: 'descriptor' }),
}
const times = Object.fromEntries(Object.keys(WAYS).map((name) => [name, []]))
const first = await WAYS.byPort()
for (let round = 0; round < Number(rounds); round++) {
  for (const [name, way] of Object.entries(WAYS)) times[name].push(await way())
}
console.log(JSON.stringify({ first, ...times }))

async function bare() {
  const begun = performance.now()
  const port = await freePort()
  const child = spawn(process.execPath, [BY_PORT], {
    env: { ...env, PORT: `${port}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  while (!(await accepts(port))) await setTimeout(PAUSE)
  const ready = performance.now()
  const exited = once(child, 'exit')
  child.kill()
  await exited
  return { start: ready - begun, stop: performance.now() - ready }
}

async function ours(program, options) {
  const begun = performance.now()
  const child = await spawnListening(process.execPath, [program], options)
  const ready = performance.now()
  await child.stop()
  return { start: ready - begun, stop: performance.now() - ready }
}

/** As a test without portside picks one: it is free now. */
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1' })
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.end().resume()
      resolve(true)
    })
  })
}
