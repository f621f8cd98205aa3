import { spawnListening } from '../../dist/index.js'
import { playAtOnce, whyNoPython } from '../models/kinds/play.js'
import { check, type Row } from './row.js'

const COUNT = 30

/** Programs that listen in different ways start at the same time. */
export async function* manyKinds(): AsyncGenerator<Row> {
  const { faults, processes, left } = await playAtOnce(spawnListening, COUNT)
  for (const fault of faults.slice(0, 5)) console.log(`  ${fault}`)
  yield check(
    `${COUNT} programs of ${whyNoPython === undefined ? 'six' : 'five'} kinds at once`,
    '0 mixed up, 0 left',
    `${faults.length} faults, ${left} of ${processes} processes left`,
    faults.length + left === 0,
  )
}
