import type { Lab } from '../lab.js'
import { mediansOf } from '../statistics.js'
import { type Measure, tableOf } from '../table.js'

const IDLE = 300

/** `findOwners()` of a listener beside many processes that have none. */
export const owners: Measure<Lab> = {
  name: 'find-owners',
  title: 'The owner of an address',
  about:
    `\`findOwners()\` of a listener, beside ${IDLE} processes that have no socket. It reads the table of the kernel until it finds the ` +
    'listener, so a listener near the end takes longer.',
  async run(lab) {
    const samples = await lab.inRuns(async () =>
      mediansOf(await lab.program('find-owners.mjs', [IDLE, lab.times(101, 31)], { severalCpus: true })),
    )
    return [
      tableOf(
        '`findOwners()`',
        'ms',
        [
          { name: 'of this process', is: 'portside', bar: 2 },
          { name: 'of a child process', is: 'portside', bar: 2 },
        ],
        samples,
      ),
    ]
  },
}
