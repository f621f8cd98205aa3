// Drains a server with so many idle connections of this process, five times, and prints the milliseconds of CPU and of time of
// each: `COUNT`.
import http from 'node:http'
import { listenHttp } from '../../../dist/index.js'

const count = Number(process.argv[2] ?? 500)

for (let round = 0; round < 5; round++) {
  const server = await listenHttp((_request, response) => response.end('at once'))
  const agent = new http.Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, maxFreeSockets: count })
  const get = () =>
    new Promise((resolve, reject) => {
      http.get(server.url, { agent }, (response) => response.resume().on('end', resolve)).on('error', reject)
    })
  await Promise.all(Array.from({ length: count }, get))
  const [cpu, begun] = [process.cpuUsage(), performance.now()]
  await server.close({ grace: 60_000 })
  const { user, system } = process.cpuUsage(cpu)
  console.log(JSON.stringify({ cpu: (user + system) / 1000, time: performance.now() - begun }))
  agent.destroy()
}
