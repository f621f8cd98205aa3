import * as portside from '../../dist/index.js'
import { playMany } from '../models/drain/many.js'
import type { Portside } from '../models/drain/server.js'
import { check, type Row } from './row.js'

/** Drains by random schedules; see test/models/drain/run.ts, which plays one of them again by its seed. */
export async function* drains(seconds: number, seed: number): AsyncGenerator<Row> {
  const many = await playMany(portside as unknown as Portside, { seconds, seed })
  const { schedules, accepted, begun, answered, forced, socketsBefore, socketsAfter, kinds } = many
  for (const [kind, { first }] of kinds) {
    for (const { seed, detail } of first.slice(0, 2)) console.log(`  ${kind}: seed ${seed}: ${detail.slice(0, 300)}`)
  }
  const counts = [...kinds].map(([kind, { count }]) => `${count} x ${kind}`).join(', ') || 'no complaint'
  yield check(
    `drains by schedule, seed ${seed}`,
    'no complaint',
    `${schedules} schedules, ${accepted} connections, ${begun} requests begun, ${answered} answered, ${forced} forced: ${counts}`,
    kinds.size === 0,
  )
  const sockets = `${socketsAfter} after ${schedules} schedules`
  yield check('  open sockets', `${socketsBefore}`, sockets, socketsAfter <= socketsBefore)
}
