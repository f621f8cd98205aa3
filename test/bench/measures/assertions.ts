import type { Lab } from '../lab.js'
import { mediansOf } from '../statistics.js'
import { type Measure, tableOf } from '../table.js'

/** An assertion that passes, beyond awaiting the same rejection. */
export const assertions: Measure<Lab> = {
  name: 'assertions',
  title: 'An assertion that passes',
  about: 'The time of `assertConnectionRefused()` for a rejection with ECONNREFUSED, minus that of a `catch()`.',
  async run(lab) {
    const samples = await lab.inRuns(async () => mediansOf(await lab.program('assertions.mjs', [lab.times(31, 15)])))
    const names = ['one error', 'an AggregateError', 'the matcher, without expect()']
    const ways = names.map((name) => ({ name, is: 'portside', bar: 30 }) as const)
    return [tableOf('`assertConnectionRefused()`, beyond `catch()`', 'us', ways, samples)]
  },
}
