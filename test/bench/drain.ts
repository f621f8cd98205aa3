import http from 'node:http'
import { listenHttp } from '../../dist/index.js'
import { tracesOf } from '../support/kernel.js'
import { type Figure, median } from './figure.js'

const IDLE = 500
const IN_FLIGHT = 50
const ANSWER_AFTER = 100
const LEFT_AT_DRAIN = 70

/** 500 idle keep-alive connections and 50 requests in flight, both ends in this process. */
export async function drainUnderLoad(rounds = 7): Promise<Figure[]> {
  const times: number[] = []
  let answered = 0
  let left = 0
  for (let round = 0; round < rounds; round++) {
    const one = await drainOnce()
    times.push(one.time)
    answered += one.answered
    left += one.timeWaits
  }
  return [
    {
      name: 'drain of 500 idle + 50 in flight, beside the time left',
      value: median(times) / LEFT_AT_DRAIN,
      unit: 'x',
      bar: 1.15,
    },
    {
      name: `in flight and not answered, of ${IN_FLIGHT * rounds}`,
      value: IN_FLIGHT * rounds - answered,
      unit: '',
      bar: 0,
    },
    { name: `TIME_WAIT left on the ports of ${rounds} servers`, value: left, unit: '', bar: 0 },
  ]
}

async function drainOnce(): Promise<{ time: number; answered: number; timeWaits: number }> {
  let slowestAt = 0
  const server = await listenHttp((request, response) => {
    if (request.url === '/') return response.end('at once')
    slowestAt = performance.now() + ANSWER_AFTER
    setTimeout(() => response.end('late'), ANSWER_AFTER)
  })
  const agent = new http.Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, maxFreeSockets: 1000 })
  const get = (path: string) =>
    new Promise<string>((resolve, reject) => {
      const request = http.get(new URL(path, server.url), { agent }, (response) => {
        let body = ''
        response.on('data', (chunk) => {
          body += chunk
        })
        response.on('end', () => resolve(body))
      })
      request.on('error', reject)
    })
  await Promise.all(Array.from({ length: IDLE + IN_FLIGHT }, () => get('/')))
  const late = Array.from({ length: IN_FLIGHT }, () => get('/late'))
  await new Promise((resolve) => setTimeout(resolve, ANSWER_AFTER - LEFT_AT_DRAIN))
  // The time that the slowest request has left, as it really is when the drain starts.
  const remaining = Math.max(slowestAt - performance.now(), 1)
  const begun = performance.now()
  await server.close({ grace: 5000 })
  const time = ((performance.now() - begun) * LEFT_AT_DRAIN) / remaining
  const answers = await Promise.allSettled(late)
  agent.destroy()
  return {
    time,
    answered: answers.filter((answer) => answer.status === 'fulfilled' && answer.value === 'late').length,
    timeWaits: tracesOf(server.port).length,
  }
}
