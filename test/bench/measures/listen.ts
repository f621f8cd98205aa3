import type { Lab } from '../lab.js'
import { inMicroseconds, mediansOf } from '../statistics.js'
import { type Measure, tableOf, type Way } from '../table.js'

const WAYS: readonly Way[] = [
  { name: 'portside', is: 'portside' },
  { name: 'net', is: 'plain' },
  { name: 'net with callbacks', is: 'plain' },
  { name: 'async-listen', is: 'peer' },
]

/** `listenTcp()` and `close()` without clients, in a fresh process and in one that has done it often. */
export const listen: Measure<Lab> = {
  name: 'listen',
  title: 'A server that listens and closes',
  about:
    '`listenTcp()` and `close()` without clients. `net` makes the same promises by hand: it reads the port and waits until the handle is ' +
    'closed. `net with callbacks` and async-listen do not. Cold is the mean of the first 150 in a fresh process, behind the import. ' +
    'Warm is the median in turns in one process.',
  async run(lab) {
    const count = 150
    const cold = await lab.inRuns(async () => {
      const taken: Record<string, number> = {}
      for (const { name } of WAYS) taken[name] = await lab.program('listen.mjs', ['cold', name, count])
      return inMicroseconds(taken)
    })
    const warm = await lab.inRuns(async () =>
      inMicroseconds(mediansOf(await lab.program('listen.mjs', ['warm', lab.times(4000, 1500)]))),
    )
    return [
      tableOf('listen and close, cold', 'us', WAYS, cold, comparisons(3)),
      tableOf('listen and close, warm', 'us', WAYS, warm, comparisons(1.8)),
    ]
  },
}

const comparisons = (bar: number) =>
  WAYS.slice(1).map(({ name, is }) => ({ of: 'portside', beside: name, ...(is === 'plain' ? { bar } : {}) }))
