import { loopbackFamilies } from '../../dist/index.js'
import { type Network, ownNetwork, privateNetwork } from './network.js'
import { runProgram } from './program.js'
import { check, type Row, skipped } from './row.js'

/** 5000 reservations. */
const SERIES = [
  { times: 1500, batch: 1, options: {} },
  { times: 25, batch: 40, options: {} },
  { times: 25, batch: 40, together: true, options: {} },
  { times: 500, batch: 1, options: { protocol: 'both' } },
  { times: 25, batch: 40, options: loopbackFamilies().length === 2 ? { family: 'dual' } : {} },
]

/** What 5000 reservations leave in the process and in the kernel when they are released. */
export async function* leftovers(): AsyncGenerator<Row> {
  yield* leftBy(ownNetwork)
  yield* leftBy(privateNetwork(3000))
}

interface Left {
  readonly reserved: number
  /** Open sockets of the process. */
  readonly before: number
  readonly after: number
  /** When 20 calls of `release()` had returned, and their promises were not settled yet. */
  readonly atReturn: number
  /** Connections that held a port. */
  readonly anchors: number
  /** Entries in TIME_WAIT more than before: all of them, and those of anchors. */
  readonly timeWaits: number
  readonly ours: number
}

async function* leftBy(network: Network): AsyncGenerator<Row> {
  const what = (left: string): string => `${left} after 5000 reservations, ${network.name}`
  if (network.why !== undefined) {
    yield skipped(what('left over'), network.why)
    return
  }
  const left = await runProgram<Left>(network, 'reserve-and-release', { series: SERIES })
  const { before, after, atReturn } = left
  yield check(
    what('open sockets'),
    `${before}, ${before}`,
    `${after}, ${atReturn} when release() returns, of ${left.reserved} reservations`,
    after === before && atReturn === before && left.reserved >= 5000,
  )
  // Of the host's own network others have their share.
  const timeWaits = network === ownNetwork ? left.ours : left.timeWaits
  yield check(
    what('TIME_WAIT'),
    '0',
    `${timeWaits} of ${left.anchors} connections`,
    timeWaits === 0 && left.anchors >= left.reserved,
  )
}
