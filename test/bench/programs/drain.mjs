// Drains an HTTP server with idle keep-alive connections and requests in flight, both ends in this process. It prints as JSON, for each
// round: the milliseconds of the drain, those that the slowest request had left, the requests lost, and the sockets in TIME_WAIT.
// Usage: drain.mjs WAY IDLE IN_FLIGHT ROUNDS
import { once } from 'node:events'
import http from 'node:http'
import { readSocketTable } from 'portside'

const GRACE = 5000
const ANSWER_AFTER = 100
const LEFT_AT_DRAIN = 70

/** Each listens, and gives its port and what drains it. */
const WAYS = {
  portside: async (handler) => {
    const { listenHttp } = await import('portside')
    const server = await listenHttp(handler)
    return { port: server.port, drain: () => server.close({ grace: GRACE }) }
  },
  'http-terminator': async (handler) => {
    const { createHttpTerminator } = await import('http-terminator')
    const server = await listening(http.createServer(handler))
    const terminator = createHttpTerminator({ server, gracefulTerminationTimeout: GRACE })
    return { port: server.address().port, drain: () => terminator.terminate() }
  },
  'http-shutdown': async (handler) => {
    const { default: withShutdown } = await import('http-shutdown')
    const server = await listening(withShutdown(http.createServer(handler)))
    return { port: server.address().port, drain: () => called((done) => server.shutdown(done)) }
  },
  stoppable: async (handler) => {
    const { default: stoppable } = await import('stoppable')
    const server = await listening(stoppable(http.createServer(handler), GRACE))
    return { port: server.address().port, drain: () => called((done) => server.stop(done)) }
  },
  'server-destroy': async (handler) => {
    const { default: enableDestroy } = await import('server-destroy')
    const server = await listening(http.createServer(handler))
    enableDestroy(server)
    return { port: server.address().port, drain: () => called((done) => server.destroy(done)) }
  },
}

const [, , way, idle, inFlight, rounds] = process.argv
const results = []
for (let round = 0; round < Number(rounds); round++) {
  results.push(await drainOnce(WAYS[way], Number(idle), Number(inFlight)))
}
console.log(JSON.stringify(results))

async function drainOnce(listen, idle, inFlight) {
  let slowestAt = 0
  const held = holding()
  const { port, drain } = await listen((request, response) => {
    if (request.url === '/held') return held.add(response)
    slowestAt = performance.now() + ANSWER_AFTER
    setTimeout(() => response.end('late'), ANSWER_AFTER)
  })
  const agent = new http.Agent({ keepAlive: true, maxFreeSockets: Number.POSITIVE_INFINITY })
  const get = (path) =>
    new Promise((resolve, reject) => {
      const request = http.get({ host: '127.0.0.1', port, path, agent }, (response) => {
        let body = ''
        response.on('data', (chunk) => {
          body += chunk
        })
        response.on('end', () => resolve(body))
        response.on('error', reject)
      })
      request.on('error', reject)
    })
  await open(get, held, idle + inFlight)
  const late = Array.from({ length: inFlight }, () => get('/late'))
  const settled = Promise.allSettled(late)
  if (inFlight > 0) await new Promise((resolve) => setTimeout(resolve, ANSWER_AFTER - LEFT_AT_DRAIN))
  const begun = performance.now()
  // The time that the slowest request really has left when the drain starts.
  const remaining = Math.max(slowestAt - begun, 1)
  await drain()
  const time = performance.now() - begun
  const answers = await settled
  agent.destroy()
  const table = await readSocketTable()
  return {
    time,
    remaining: inFlight > 0 ? remaining : undefined,
    lost: answers.filter(({ status, value }) => status === 'rejected' || value !== 'late').length,
    timeWaits: table.filter(
      ({ state, local, remote }) => state === 'TIME_WAIT' && (local.port === port || remote?.port === port),
    ).length,
  }
}

/** Leaves `count` free connections in the agent. The server answers only when it has all requests, so each has its own connection. */
async function open(get, held, count) {
  const answers = []
  while (answers.length < count) {
    // The accept queue holds so many at once.
    const some = Math.min(250, count - answers.length)
    for (let i = 0; i < some; i++) answers.push(get('/held'))
    await held.reach(answers.length)
  }
  for (const response of held.responses) response.end('at once')
  await Promise.all(answers)
}

/** Responses that wait, and a promise for the time when there are so many. */
function holding() {
  const responses = []
  let wanted = Number.POSITIVE_INFINITY
  let reached
  return {
    responses,
    add(response) {
      responses.push(response)
      if (responses.length >= wanted) reached()
    },
    reach(count) {
      return new Promise((resolve) => {
        wanted = count
        reached = resolve
        if (responses.length >= count) resolve()
      })
    },
  }
}

async function listening(server) {
  server.listen(0, '127.0.0.1', 511)
  await once(server, 'listening')
  return server
}

function called(start) {
  return new Promise((resolve) => start(() => resolve()))
}
