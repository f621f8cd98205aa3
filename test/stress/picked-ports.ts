import { reservePorts } from '../../dist/index.js'
import { ownNetwork } from './network.js'

/** Free ports that the kernel never picks, because they are below the ephemeral range. */
export async function pickedPorts(count: number): Promise<number[]> {
  const lowest = 20_000
  const [first] = ownNetwork.range
  const highest = Math.min(32_000, first) - 1
  if (highest - lowest < count * 2) throw new Error(`the kernel picks from ${first} on: too few ports are below`)
  // From a random place, so that a concurrent run picks others.
  const start = lowest + Math.floor(Math.random() * (highest - lowest - count * 2))
  await using picked = await reservePorts(count, { port: Array.from({ length: count * 2 }, (_, step) => start + step) })
  return [...picked.ports]
}
