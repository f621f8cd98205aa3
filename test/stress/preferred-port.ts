import { reservePort } from '../../dist/index.js'
import { ownNetwork } from './network.js'
import { pickedPorts } from './picked-ports.js'
import { runTogether } from './program.js'
import { check, type Row } from './row.js'

const ROUNDS = 10

/** Users that want the same ports at the same moment, and hold their ports until all have one. */
export async function* preferredPort(): AsyncGenerator<Row> {
  const list = await pickedPorts(30)
  const wish = await pickedByKernel()
  yield await together('one of 30 ports', 24, 'processes', { list })
  yield await together('one of 30 ports, half one port', 24, 'processes', { list, wish })
  yield await together('one of 30 ports', 12, 'threads', { list })
  yield await together('one of 30 ports, half one port', 12, 'threads', { list, wish })
}

async function together(
  wanted: string,
  count: number,
  as: 'processes' | 'threads',
  settings: { list: number[]; wish?: number },
): Promise<Row> {
  const options = { program: 'reserve-preferred', count, as, rounds: ROUNDS, settings }
  const rounds = await runTogether<number>(ownNetwork, options)
  const different = rounds.map((ports) => new Set(ports).size)
  const strange = rounds.flatMap((ports) => ports.filter((port, index) => !may(port, index, settings)))
  const wished = rounds.filter((ports) => settings.wish !== undefined && ports.includes(settings.wish)).length
  const found = [
    `${Math.min(...different)} different`,
    `${strange.length} outside the list`,
    ...(settings.wish === undefined ? [] : [`the preferred port taken in ${wished} rounds`]),
  ].join(', ')
  const ok = rounds.length === ROUNDS && Math.min(...different) === count && strange.length === 0
  return check(`${count} ${as} want ${wanted}, ${ROUNDS} rounds`, `${count} different, 0`, found, ok)
}

/** A preferred port may fall back to any other. A list may not. */
function may(port: number, index: number, { list, wish }: { list: number[]; wish?: number }): boolean {
  return (wish !== undefined && index % 2 === 1) || list.includes(port)
}

async function pickedByKernel(): Promise<number> {
  await using reservation = await reservePort()
  return reservation.port
}
