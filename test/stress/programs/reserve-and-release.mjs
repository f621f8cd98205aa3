// Reserves and releases ports, one by one and in batches, and prints what the kernel still has of them.
// Settings: { series: [{ times, batch, together, options of reservePort() }, ...] }
import { subscribe } from 'node:diagnostics_channel'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { reservePort, reservePorts } from '../../../dist/index.js'

const { series } = JSON.parse(process.argv[2])

/** Local and remote port of both ends of each connection that this process has accepted. All of them hold a port. */
const anchored = new Set()
let anchors = 0
subscribe('net.server.socket', ({ socket: { localPort, remotePort } }) => {
  anchored.add(`${localPort} ${remotePort}`).add(`${remotePort} ${localPort}`)
  anchors++
})

// Node opens some descriptors once, on first use.
await reservePort().then((reservation) => reservation.release())
const before = { sockets: sockets(), timeWaits: timeWaits().length }
let reserved = 0
for (const { times, batch, together, options } of series) {
  for (let i = 0; i < times; i++) {
    const held = together
      ? await reservePorts(batch, options)
      : await Promise.all(Array.from({ length: batch }, () => reservePort(options)))
    reserved += held.length
    await (together ? held.release() : Promise.all(held.map((reservation) => reservation.release())))
  }
}
const after = sockets()
const last = await Promise.all(Array.from({ length: 20 }, () => reservePort({ protocol: 'both' })))
const released = last.map((reservation) => reservation.release())
const atReturn = sockets()
await Promise.all(released)

process.stdout.write(
  JSON.stringify({
    reserved: reserved + last.length,
    anchors,
    before: before.sockets,
    after,
    atReturn,
    timeWaits: timeWaits().length - before.timeWaits,
    ours: timeWaits().filter((pair) => anchored.has(pair)).length,
  }),
)

function sockets() {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')
    } catch {
      // Without the descriptor of the listed directory.
      return false
    }
  }).length
}

/** Local and remote port of entries in TIME_WAIT, which is state 6 (proc(5); include/net/tcp_states.h). */
function timeWaits() {
  // Without IPv6 this table does not exist.
  const tables = ['/proc/self/net/tcp', '/proc/self/net/tcp6'].filter((table) => existsSync(table))
  return tables.flatMap((table) =>
    readFileSync(table, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state]) => state === '06')
      .map(([, local, remote]) => `${portOf(local)} ${portOf(remote)}`),
  )
}

function portOf(end) {
  return Number.parseInt(end.slice(end.lastIndexOf(':') + 1), 16)
}
