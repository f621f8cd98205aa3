// Starts programs in private networks and prints milliseconds as JSON, or a string if this host has no private networks.
// Usage: private-networks.mjs spawn ROUNDS: a program until its first message, in turns with a plain spawn.
// Usage: private-networks.mjs exhaust ROUNDS: a range of 16 ports, exhausted and released.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import { assertEphemeralPortsExhausted, exhaustEphemeralPorts, namespaceSupport, spawnInNamespace } from 'portside'
import { alternate } from './alternate.mjs'

const PROGRAM = ['-e', "process.send('up'); process.disconnect()"]
const STDIO = ['ignore', 'ignore', 'inherit', 'ipc']

const [, main, what, rounds] = process.argv
const { supported, reason } = await namespaceSupport()
if (what === 'exhaust-inside') await exhaust()
else if (!supported) console.log(JSON.stringify(reason))
else if (what === 'spawn') await start()
else console.log(await exhaustInside())

async function start() {
  const times = { spawn: [], spawnInNamespace: [] }
  for (let round = 0; round < Number(rounds); round++) {
    times.spawn.push(await timeOf(() => spawn(process.execPath, PROGRAM, { stdio: STDIO })))
    times.spawnInNamespace.push(await timeOf(() => spawnInNamespace({}, process.execPath, PROGRAM, { stdio: STDIO })))
  }
  console.log(JSON.stringify(times))
}

async function timeOf(start) {
  const before = performance.now()
  const child = await start()
  await once(child, 'message')
  const time = performance.now() - before
  if (child.exitCode === null) await once(child, 'exit')
  return time
}

async function exhaustInside() {
  const args = [main, 'exhaust-inside', rounds]
  const options = { stdio: ['ignore', 'pipe', 'inherit'] }
  const child = await spawnInNamespace({ ephemeralPorts: 16 }, process.execPath, args, options)
  return (await text(child.stdout)).trim()
}

async function exhaust() {
  const exhausted = async () => {
    const exhaustion = await exhaustEphemeralPorts()
    await assertEphemeralPortsExhausted(() => net.connect(1, '127.0.0.1'))
    await exhaustion.release()
  }
  console.log(JSON.stringify(await alternate({ exhausted }, Number(rounds))))
}
