import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { promisify } from 'node:util'
import { assertConnectionRefused, findOwners, readSocketTable, refusedEndpoint } from '../../dist/index.js'
import { matchers } from '../../dist/jest.js'
import { type Figure, median } from './figure.js'

const SOCKETS = 5000
const IDLE = 300
const REPEATS = 1000

type Task = () => unknown

/** `readSocketTable()` with many sockets in this process, beside the program that everybody has for it. */
export async function readTable(rounds = 31): Promise<Figure[]> {
  const sockets = await openMany(SOCKETS / 2)
  const ours = () => readSocketTable()
  const withPids = async () => (await readSocketTable()).map(({ pid }) => pid)
  try {
    if (!(await runs('ss'))) {
      const [table, pids] = (await alternate([ours, withPids], rounds)).map(median)
      return [tableTime(table!), { name: '  with all pids', value: pids!, unit: 'ms' }]
    }
    const [table, ss] = (await alternate([ours, () => run('ss', '-tan')], rounds)).map(median)
    const [pids, ssWithPids] = (await alternate([withPids, () => run('ss', '-tanp')], rounds)).map(median)
    return [
      tableTime(table!),
      { name: '  beside ss -tan', value: table! / ss!, unit: 'x', bar: 1 },
      { name: '  ss -tan', value: ss!, unit: 'ms' },
      { name: '  with all pids', value: pids!, unit: 'ms' },
      { name: '  with all pids, beside ss -tanp', value: pids! / ssWithPids!, unit: 'x' },
      { name: '  ss -tanp', value: ssWithPids!, unit: 'ms' },
    ]
  } finally {
    await closeAll(sockets)
  }
}

const tableTime = (value: number): Figure => ({
  name: `readSocketTable() with ${SOCKETS} sockets, median`,
  value,
  unit: 'ms',
  bar: 30,
})

/** `findOwners()` of a listener beside many processes that have none. */
export async function findOwner(rounds = 101): Promise<Figure[]> {
  const own = net.createServer().listen(0, '127.0.0.1')
  await once(own, 'listening')
  const child = spawn(process.execPath, ['--eval', LISTENER], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [port] = await once(child.stdout, 'data')
  const idle = Array.from({ length: IDLE }, () => spawn('sleep', ['600'], { stdio: 'ignore' }))
  try {
    await Promise.all(idle.map((process) => once(process, 'spawn')))
    const ownersOf = (of: number, pid: number | undefined) => async () => {
      const owners = await findOwners({ address: '127.0.0.1', port: of })
      if (owners.length !== 1 || owners[0]?.pid !== pid) throw new Error(`not ${pid}: ${JSON.stringify(owners)}`)
    }
    const [ofThis, ofChild] = await alternate(
      [ownersOf((own.address() as net.AddressInfo).port, process.pid), ownersOf(Number(port), child.pid)],
      rounds,
    )
    const beside = `beside ${IDLE} idle processes, median`
    return [
      { name: `findOwners of this process, ${beside}`, value: median(ofThis!), unit: 'ms', bar: 3 },
      { name: `findOwners of a child process, ${beside}`, value: median(ofChild!), unit: 'ms', bar: 3 },
    ]
  } finally {
    await Promise.all([...idle, child].map(end))
    own.close()
  }
}

const LISTENER = `
const server = require('node:net').createServer().listen(0, '127.0.0.1', () => console.log(server.address().port))`

/** An assertion that passes, beyond awaiting the same rejection. */
export async function passingAssertion(rounds = 31): Promise<Figure[]> {
  await using endpoint = await refusedEndpoint()
  const error = await refusalAt(endpoint)
  const aggregate = Object.assign(new AggregateError([error, await refusalAt(endpoint)]), { code: 'ECONNREFUSED' })
  const bare = (reason: Error) => () => Promise.reject(reason).catch(() => {})
  const asserted = (reason: Error) => () => assertConnectionRefused(Promise.reject(reason))
  const [plain, one, several, matched] = await alternate(
    [
      bare(error),
      asserted(error),
      asserted(aggregate),
      () => Promise.reject(error).catch((reason) => matchers.toBeConnectionRefused(reason)),
    ].map(repeated),
    rounds,
  )
  const beyond = (times: number[], base: number[]): number =>
    (median(times.map((time, round) => time - base[round]!)) * 1000) / REPEATS
  return [
    { name: 'assertConnectionRefused that passes, beyond catch()', value: beyond(one!, plain!), unit: 'us', bar: 30 },
    { name: '  of an AggregateError', value: beyond(several!, plain!), unit: 'us', bar: 30 },
    { name: '  the matcher, without the expect around it', value: beyond(matched!, plain!), unit: 'us', bar: 30 },
  ]
}

/** One after the other, round after round, so that what else the machine does meets them all. Milliseconds of each. */
async function alternate(tasks: readonly Task[], rounds: number): Promise<number[][]> {
  for (const task of tasks) await task()
  const times = tasks.map((): number[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, task] of tasks.entries()) {
      const begun = performance.now()
      await task()
      times[index]!.push(performance.now() - begun)
    }
  }
  return times
}

const repeated = (task: Task) => async () => {
  for (let i = 0; i < REPEATS; i++) await task()
}

const run = (command: string, ...args: string[]) => promisify(execFile)(command, args, { maxBuffer: 64 << 20 })

const runs = (command: string): Promise<boolean> =>
  run(command, '-V').then(
    () => true,
    () => false,
  )

/** So many connections, both ends in this process: the clients, the accepted, and the server. */
async function openMany(connections: number): Promise<{ server: net.Server; clients: net.Socket[] }> {
  let accepted = 0
  const server = net.createServer((socket) => {
    accepted++
    // Reset by its client.
    socket.on('error', () => {})
  })
  await once(server.listen(0, '127.0.0.1', 511), 'listening')
  const { port } = server.address() as net.AddressInfo
  const clients: net.Socket[] = []
  // A queue holds so many at once.
  while (clients.length < connections) {
    const some = Array.from({ length: Math.min(250, connections - clients.length) }, () =>
      net.connect(port, '127.0.0.1'),
    )
    await Promise.all(some.map((client) => once(client, 'connect')))
    clients.push(...some)
  }
  while (accepted < connections) await once(server, 'connection')
  return { server, clients }
}

/** A reset leaves no TIME_WAIT. */
async function closeAll({ server, clients }: { server: net.Server; clients: net.Socket[] }): Promise<void> {
  for (const client of clients) client.resetAndDestroy()
  server.close()
  await once(server, 'close')
}

async function end(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return
  process.kill()
  await once(process, 'exit')
}

async function refusalAt({ address, port }: { address: string; port: number }): Promise<Error> {
  const socket = net.connect(port, address)
  const [error] = await new Promise<[Error]>((resolve) => void socket.once('error', (reason) => resolve([reason])))
  return error
}
