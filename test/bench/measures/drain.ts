import type { Lab } from '../lab.js'
import { median } from '../statistics.js'
import { type Measure, type Table, tableOf, type Way } from '../table.js'

const PEERS = ['http-terminator', 'http-shutdown', 'stoppable', 'server-destroy']
const WAYS: readonly Way[] = [
  { name: 'portside', is: 'portside' },
  ...PEERS.map((name) => ({ name, is: 'peer' }) as const),
]
const LEFT: Way = { name: 'what the slowest request has left', is: 'plain' }
const IDLE = 500
const IN_FLIGHT = 50

interface Drained {
  readonly time: number
  readonly remaining: number
  readonly lost: number
  readonly timeWaits: number
}

/** Servers with idle keep-alive connections, with requests in flight and without. */
export const drain: Measure<Lab> = {
  name: 'drain',
  title: 'A server that drains',
  about:
    `An HTTP server with ${IDLE} idle keep-alive connections and ${IN_FLIGHT} requests in flight, the slowest of which needs 70 ms more. Both ` +
    'are in one process, with an `http.Agent`. The grace is 5000 ms. server-destroy has no grace: it cuts what is in flight. ' +
    'A request is lost if it has no complete answer.',
  async run(lab) {
    return [...(await drainUnderLoad(lab)), await drainOfMany(lab)]
  },
}

async function drainUnderLoad(lab: Lab): Promise<Table[]> {
  const lost: Record<string, number[]> = {}
  const timeWaits: Record<string, number[]> = {}
  const times = await lab.inRuns(async () => {
    const taken: Record<string, number> = {}
    for (const { name } of WAYS) {
      const rounds = await drained(lab, name, IDLE, IN_FLIGHT, lab.times(3, 1))
      // As if each had begun with the same time left.
      taken[name] = median(rounds.map(({ time, remaining: own }) => (time / own) * 70))
      ;(lost[name] ??= []).push(median(rounds.map((round) => round.lost)))
      ;(timeWaits[name] ??= []).push(median(rounds.map((round) => round.timeWaits)))
    }
    return { ...taken, [LEFT.name]: 70 }
  })
  const counted = WAYS.map((way) => (way.is === 'portside' ? { ...way, bar: 0 } : way))
  return [
    tableOf(`drain of ${IDLE} idle connections and ${IN_FLIGHT} requests in flight`, 'ms', [...WAYS, LEFT], times, [
      { of: 'portside', beside: LEFT.name, bar: 1.15 },
      ...PEERS.map((beside) => ({ of: 'portside', beside, ...(beside === 'http-shutdown' ? { bar: 1 } : {}) })),
    ]),
    tableOf(`requests lost, of ${IN_FLIGHT} in flight`, '', counted, lost),
    tableOf('sockets left in TIME_WAIT', '', counted, timeWaits),
  ]
}

/** Whether the time of a connection grows with their number. */
async function drainOfMany(lab: Lab): Promise<Table> {
  const many = lab.times(5000, 2000)
  const each = (name: string, count: number): string => `${name}, ${count}`
  const ways = WAYS.flatMap((way) => [IDLE, many].map((count) => ({ ...way, name: each(way.name, count) })))
  const samples = await lab.inRuns(async () => {
    const taken: Record<string, number> = {}
    for (const { name } of WAYS) {
      for (const count of [IDLE, many]) {
        const rounds = await drained(lab, name, count, 0, count === many ? 1 : lab.times(3, 1))
        taken[each(name, count)] = (median(rounds.map(({ time }) => time)) * 1000) / count
      }
    }
    return taken
  })
  return tableOf('drain of idle connections, for each of them', 'us', ways, samples, [
    // Linear, with something for a heap that is larger.
    { of: each('portside', many), beside: each('portside', IDLE), bar: 1.25 },
    ...PEERS.map((name) => ({ of: each('portside', many), beside: each(name, many) })),
  ])
}

const drained = (lab: Lab, way: string, idle: number, inFlight: number, rounds: number): Promise<Drained[]> =>
  lab.program('drain.mjs', [way, idle, inFlight, rounds], { severalCpus: true })
