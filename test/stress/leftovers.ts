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

/** Counts what 5000 released reservations leave in the process and in the kernel. */
export async function* leftovers(): AsyncGenerator<Row> {
  yield* leftBy(ownNetwork)
  yield* leftBy(privateNetwork(3000))
}

interface Left {
  readonly reserved: number
  /** Open sockets of the process. */
  readonly before: number
  readonly after: number
  /** Open sockets when 20 calls of `release()` have returned, before their promises settle. */
  readonly atReturn: number
  /** Connections that held a port. */
  readonly anchors: number
  /** New entries in TIME_WAIT: all of them, and the entries of anchors. */
  readonly timeWaits: number
  readonly ours: number
}

async function* leftBy(network: Network): AsyncGenerator<Row> {
  const what = (left: string): string => `${left} after 5000 reservations, ${network.name}`
  if (network.why !== undefined) {
    yield skipped(what('leftovers'), network.why)
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
  // On the network of the host, other programs have entries too.
  const timeWaits = network === ownNetwork ? left.ours : left.timeWaits
  yield check(
    what('TIME_WAIT'),
    '0',
    `${timeWaits} of ${left.anchors} connections`,
    timeWaits === 0 && left.anchors >= left.reserved,
  )
}
