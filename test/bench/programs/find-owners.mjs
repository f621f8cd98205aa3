// Finds the owners of a listener beside processes that have none, and prints milliseconds as JSON. Usage: find-owners.mjs IDLE ROUNDS
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { findOwners } from 'portside'
import { alternate } from './alternate.mjs'

const LISTENER = `
const server = require('node:net').createServer().listen(0, '127.0.0.1', () => console.log(server.address().port))`

const [count, rounds] = process.argv.slice(2).map(Number)
const own = net.createServer().listen(0, '127.0.0.1')
await once(own, 'listening')
const child = spawn(process.execPath, ['--eval', LISTENER], { stdio: ['ignore', 'pipe', 'inherit'] })
const [port] = await once(child.stdout, 'data')
const idle = Array.from({ length: count }, () => spawn('sleep', ['600'], { stdio: 'ignore' }))
try {
  await Promise.all(idle.map((process) => once(process, 'spawn')))
  const times = await alternate(
    {
      'of this process': ownersOf(own.address().port, process.pid),
      'of a child process': ownersOf(Number(port), child.pid),
    },
    rounds,
  )
  console.log(JSON.stringify(times))
} finally {
  await Promise.all([...idle, child].map(end))
  own.close()
}

function ownersOf(of, pid) {
  return async () => {
    const owners = await findOwners({ address: '127.0.0.1', port: of })
    if (owners.length !== 1 || owners[0]?.pid !== pid) throw new Error(`not ${pid}: ${JSON.stringify(owners)}`)
  }
}

async function end(process) {
  if (process.exitCode !== null || process.signalCode !== null) return
  process.kill()
  await once(process, 'exit')
}
