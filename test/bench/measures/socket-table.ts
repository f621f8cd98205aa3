import type { Lab } from '../lab.js'
import { mediansOf } from '../statistics.js'
import { type Measure, tableOf, type Way } from '../table.js'

const SOCKETS = 5000

/** `readSocketTable()` with many sockets in one process, beside `ss`. */
export const socketTable: Measure<Lab> = {
  name: 'socket-table',
  title: 'The socket table',
  about: `\`readSocketTable()\` in a process with ${SOCKETS} TCP sockets, in turns with a run of \`ss\`, which reads the same table.`,
  async run(lab) {
    const samples = await lab.inRuns(async () =>
      mediansOf(await lab.program('socket-table.mjs', [SOCKETS, lab.times(31, 15)], { severalCpus: true })),
    )
    const ways: Way[] = [
      { name: 'portside', is: 'portside', bar: 30 },
      { name: 'portside, all pids', is: 'portside' },
    ]
    if (!('ss -tan' in samples)) return [tableOf(`a table of ${SOCKETS} sockets`, 'ms', ways, samples)]
    const programs: Way[] = [
      { name: 'ss -tan', is: 'plain' },
      { name: 'ss -tanp', is: 'plain' },
    ]
    return [
      tableOf(`a table of ${SOCKETS} sockets`, 'ms', [...ways, ...programs], samples, [
        { of: 'portside', beside: 'ss -tan', bar: 0.7 },
        { of: 'portside, all pids', beside: 'ss -tanp' },
      ]),
    ]
  },
}
