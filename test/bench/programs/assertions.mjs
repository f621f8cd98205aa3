// Asserts what passes, and prints the microseconds that each way takes beyond a `catch()` of the same rejection as JSON.
// Usage: assertions.mjs ROUNDS
import net from 'node:net'
import { assertConnectionRefused, refusedEndpoint } from 'portside'
import { matchers } from 'portside/jest'
import { alternate } from './alternate.mjs'

const REPEATS = 1000

const endpoint = await refusedEndpoint()
const error = await refusalAt(endpoint)
const aggregate = Object.assign(new AggregateError([error, await refusalAt(endpoint)]), { code: 'ECONNREFUSED' })
const tasks = {
  plain: () => Promise.reject(error).catch(() => {}),
  'one error': () => assertConnectionRefused(Promise.reject(error)),
  'an AggregateError': () => assertConnectionRefused(Promise.reject(aggregate)),
  'the matcher, without expect()': () =>
    Promise.reject(error).catch((reason) => matchers.toBeConnectionRefused(reason)),
}
const repeated = Object.entries(tasks).map(([name, task]) => [
  name,
  async () => {
    for (let i = 0; i < REPEATS; i++) await task()
  },
])
const { plain, ...asserted } = await alternate(Object.fromEntries(repeated), Number(process.argv[2]))
await endpoint.close()
const beyond = Object.entries(asserted).map(([name, times]) => [
  name,
  times.map((time, round) => ((time - plain[round]) * 1000) / REPEATS),
])
console.log(JSON.stringify(Object.fromEntries(beyond)))

async function refusalAt({ address, port }) {
  const socket = net.connect(port, address)
  return new Promise((resolve) => void socket.once('error', resolve))
}
