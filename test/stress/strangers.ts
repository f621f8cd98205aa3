import { loopbackFamilies, reservePort, spawnListening } from '../../dist/index.js'
import { playMany, pythonPath } from '../models/strangers/many.js'
import { check, type Row } from './row.js'
import { tally } from './tally.js'

/** Other programs listen on the port of a program before, while and after it starts, and close again, at random moments. */
export async function* strangers(seed: number, count = 200): AsyncGenerator<Row> {
  const played = await playMany(
    { reservePort, spawnListening },
    { seed, count, together: 4, families: loopbackFamilies() },
  )
  const faults = played.filter(({ outcome }) => outcome === 'fault')
  for (const { schedule, detail } of faults.slice(0, 5)) console.log(`  ${JSON.stringify(schedule)}\n  ${detail}`)
  const without = pythonPath === undefined ? ', without SO_REUSEPORT: there is no python3' : ''
  yield check(
    `${count} programs with another listener on their port, seed ${seed}${without}`,
    '0 x fault',
    tally(played.map(({ outcome }) => outcome)),
    faults.length === 0,
  )
}
