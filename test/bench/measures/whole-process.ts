import { join } from 'node:path'
import type { Lab } from '../lab.js'
import { mediansOf } from '../statistics.js'
import { type Measure, tableOf, type Way } from '../table.js'

const WAYS: readonly Way[] = [
  { name: 'portside', is: 'portside' },
  { name: 'node:http', is: 'plain' },
  { name: 'get-port and http-terminator', is: 'peer' },
]
const PROGRAMS: Readonly<Record<string, string>> = {
  portside: 'portside.mjs',
  'node:http': 'node.mjs',
  'get-port and http-terminator': 'peers.mjs',
}

/** The time of one small program, from the start of its process to its exit. */
export const wholeProcess: Measure<Lab> = {
  name: 'whole-process',
  title: 'A whole process',
  about: 'From the start of Node to its exit: the import, one HTTP server, one `fetch()`, and the close of the server.',
  async run(lab) {
    const samples = await lab.inRuns(async () => {
      const times: Record<string, number[]> = Object.fromEntries(WAYS.map(({ name }) => [name, []]))
      for (let round = 0; round < lab.times(15, 5); round++) {
        for (const [name, file] of Object.entries(PROGRAMS)) {
          times[name]?.push(lab.timeOf([join(lab.folder, 'programs/one-fetch', file)]))
        }
      }
      return mediansOf(times)
    })
    return [
      tableOf('one server and one request', 'ms', WAYS, samples, [
        { of: 'portside', beside: 'node:http', bar: 1.1 },
        { of: 'portside', beside: 'get-port and http-terminator', bar: 1 },
      ]),
    ]
  },
}
