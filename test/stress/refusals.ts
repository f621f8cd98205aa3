import { type Family, loopbackFamilies } from '../../dist/index.js'
import { type Network, ownNetwork, privateNetwork } from './network.js'
import { runProgram } from './program.js'
import { check, information, type Row, skipped } from './row.js'

const DIALS = 20_000
const LANES = 16

/** So few that the kernel picks each of them for a client about once in a hundred connects. */
const FEW = 200

/**
 * A refused endpoint refuses each connect. A port that is only unused is sometimes picked for the client itself, which then
 * connects to itself (RFC 9293 §3.5). The run connects to such a port too, to show that it detects that.
 */
export async function* refusals(): AsyncGenerator<Row> {
  for (const family of ['IPv4', 'IPv6'] as const) {
    yield await dialled(`refusedEndpoint, ${family}`, ownNetwork, family, { refused: { family } })
    const few = privateNetwork(FEW)
    // The kernel prefers even or odd ports for clients (__inet_hash_connect); one of these two is such a port.
    for (const port of [few.range[0] + FEW / 2, few.range[0] + FEW / 2 + 1]) {
      const half = port % 2 === 0 ? 'even' : 'odd'
      yield await dialled(`refusedEndpoint, ${family}, ${half}`, few, family, { refused: { family, port: [port] } })
      yield await dialled(`an unused port, ${family}, ${half}`, few, family, { address: ADDRESS[family], port })
    }
  }
}

const ADDRESS = { IPv4: '127.0.0.1', IPv6: '::1' }

async function dialled(name: string, network: Network, family: Family, target: object): Promise<Row> {
  const what = `${name}, ${DIALS} dials, ${network.name}`
  if (network.why !== undefined) return skipped(what, network.why)
  if (!loopbackFamilies().includes(family)) return skipped(what, `this host has no ${family}`)
  const settings = { ...target, dials: DIALS, lanes: LANES }
  const outcomes = await runProgram<Record<string, number>>(network, 'dial-nobody', settings)
  const { ECONNREFUSED: refused = 0, ...others } = outcomes
  const found = [`${refused} refused`, ...Object.entries(others).map(([outcome, count]) => `${count} ${outcome}`)]
  if (!('refused' in target)) return information(what, found.join(', '))
  return check(what, `${DIALS} refused`, found.join(', '), refused === DIALS && Object.keys(others).length === 0)
}
