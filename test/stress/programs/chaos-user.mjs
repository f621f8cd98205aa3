// Uses portside at random, from its seed, until it gets a message to end, or ends as its settings say, or is killed.
// Settings: { seed, subjects, by, ending, after, claims, allowed }
// Prints `ready`, then a line for each fault, collision and hang, and sometimes how much it has done.
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import http from 'node:http'
import { fileURLToPath } from 'node:url'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import * as portside from '../../../dist/index.js'
import { randomFrom } from './random.mjs'

const settings = workerData ?? JSON.parse(process.argv[2])
const { seed, subjects, ending, after, claims, allowed } = settings
const random = randomFrom(seed)
const upTo = (max) => Math.floor(random() * max)
const oneOf = (list) => list[upTo(list.length)]
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
/** Longest time for one use, in milliseconds. */
const LIMIT = 30_000
const SERVER = fileURLToPath(new URL('../../../fixtures/programs/serve-port.mjs', import.meta.url))

// Written synchronously, because a kill may follow.
const say = (kind, text = '') => writeSync(1, `${JSON.stringify({ kind, text: `${text}` })}\n`)
let done = 0
let leaving = false

/** `await using`, which Node 20 does not have. */
async function having(opening, play) {
  const resource = await opening
  try {
    await play(resource)
  } finally {
    await resource[Symbol.asyncDispose]()
  }
}

/** A signal that sometimes aborts, at a random moment. */
function maybeAborted(longest) {
  const abort = new AbortController()
  if (random() < 0.5) setTimeout(() => abort.abort(), upTo(longest)).unref()
  return abort.signal
}

const SERVERS = [
  () => portside.listenHttp((_request, response) => response.end('x'.repeat(upTo(50_000)))),
  () => portside.listenTcp(),
  () => portside.listenUnix(),
  () => portside.listenUdp(),
]

const USES = {
  reserve() {
    const protocol = oneOf(['tcp', 'tcp', 'udp', 'both'])
    return having(portside.reservePorts(1 + upTo(3), { protocol, fetchSafe: false }), async (held) => {
      // TCP and UDP have ports of their own.
      const spaces = protocol === 'both' ? ['tcp', 'udp'] : [protocol]
      const claimed = held.ports.flatMap((port) => spaces.map((space) => claim(`${space} ${port}`)))
      try {
        await wait(upTo(20))
        if (protocol === 'tcp') await having(portside.listenTcp(undefined, { port: held[0], grace: 200 }), () => {})
      } finally {
        // Even if a descriptor is missing: the ports are given back then too.
        for (const free of claimed) free()
      }
    })
  },
  listen() {
    return having(oneOf(SERVERS)(), async (server) => {
      if (server.url.protocol === 'http:') {
        const agent = new http.Agent({ keepAlive: true })
        await Promise.all(Array.from({ length: 1 + upTo(4) }, () => get(server.url, agent)))
        await server.close({ grace: 2000 })
        agent.destroy()
      } else {
        const client = await server.connect()
        client.on('error', () => {})
        if (server.url.protocol !== 'udp:') client.resume().write('x')
        await wait(upTo(10))
      }
    })
  },
  program() {
    const by = oneOf(settings.by)
    const [command, ...args] = by === 'port' ? [process.execPath, SERVER] : ['sh', '-c', 'sleep 300 & sleep 300 & wait']
    // By descriptor the program accepts nothing.
    const options = { by, grace: 100, ...(by === 'descriptor' ? { ready: () => true } : {}) }
    return having(portside.spawnListening(command, args, options), async (child) => {
      await wait(upTo(30))
      await child.stop('SIGKILL')
    })
  },
  async namespace() {
    const args = [`${0.01 + upTo(3) / 100}`]
    const child = await portside.spawnInNamespace({ ipv6: false, localhost: ['127.0.0.1'] }, 'sleep', args, {
      signal: maybeAborted(60),
    })
    await new Promise((resolve) => child.once('exit', resolve).on('error', () => {}))
  },
  network() {
    const network = portside.createNetwork({ hosts: { web: {}, db: {} }, signal: maybeAborted(100) })
    return having(network, async (opened) => {
      opened
        .host('web')
        .spawn('sleep', ['300'])
        .on('error', () => {})
      await wait(upTo(20))
    })
  },
}

function get(url, agent) {
  return new Promise((resolve, reject) => {
    http.get(url, { agent }, (response) => response.resume().once('close', resolve)).once('error', reject)
  })
}

/** A file that only one process can create, because only one may have the port. */
function claim(port) {
  const path = `${claims}/${port}`
  const make = () => {
    const fd = openSync(path, 'wx')
    writeSync(fd, `${process.pid}`)
    closeSync(fd)
  }
  try {
    make()
  } catch (error) {
    if (error.code !== 'EEXIST') return () => {}
    if (isAlive(path)) {
      // A process that is being killed loses its ports just before it is gone.
      const until = performance.now() + 300
      while (performance.now() < until && isAlive(path));
      if (isAlive(path)) say('collision', port)
    }
    rmSync(path, { force: true })
    try {
      make()
    } catch {}
  }
  return () => rmSync(path, { force: true })
}

function isAlive(path) {
  try {
    const pid = readFileSync(path, 'utf8')
    return pid !== '' && !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

async function use(name) {
  const hang = setTimeout(() => say('hang', name), LIMIT)
  try {
    await USES[name]()
  } catch (error) {
    const { code } = error
    if (!allowed.includes(code)) say('fault', `${name}: ${code}: ${String(error.message).slice(0, 300)}`)
    await wait(20)
  } finally {
    clearTimeout(hang)
  }
  done++
}

async function lane() {
  while (!leaving) await use(oneOf(subjects))
}

if (isMainThread) {
  process.on('uncaughtException', (error) => {
    if (error.message === 'on purpose') process.exit(3)
    if (!allowed.includes(error.code)) say('fault', `uncaught: ${error.code}: ${error.message}`)
  })
  process.on('unhandledRejection', (error) => {
    if (!allowed.includes(error?.code)) say('fault', `unhandled: ${error?.code}: ${error?.message}`)
  })
}
if (isMainThread) say('ready')
const count = setInterval(() => {
  say('done', done)
  done = 0
}, 100)
const lanes = [lane(), lane()]
if (isMainThread && random() < 0.3) {
  // Another user in a thread, which ends with this process.
  const worker = new Worker(fileURLToPath(import.meta.url), {
    workerData: { ...settings, seed: seed + 1, subjects: ['reserve', 'listen'], ending: 'return', after: after + 100 },
  })
  worker.on('error', (error) =>
    say(allowed.includes(error.code) ? 'done' : 'fault', allowed.includes(error.code) ? 0 : `thread: ${error.message}`),
  )
}
setTimeout(() => {
  if (ending === 'exit') process.exit(3)
  if (ending === 'throw') throw new Error('on purpose')
  if (ending === 'return') void leave()
}, after)

async function leave() {
  leaving = true
  await Promise.all(lanes)
  clearInterval(count)
  say('done', done)
  // From here on nothing may keep the process alive.
  say('left')
}
