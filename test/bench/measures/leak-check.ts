import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Lab } from '../lab.js'
import { mediansOf } from '../statistics.js'
import { type Measure, type Table, tableOf } from '../table.js'

/** The time of the leak check of a test, and the memory that stays in use. */
export const leakCheck: Measure<Lab> = {
  name: 'leak-check',
  title: 'The check of a test',
  about:
    'The time of one leak check after a test that leaves nothing open. The memory is the heap of a process that has opened and closed ' +
    'sockets under the check, eight datagram sockets for each connection, beside its heap after the first 10,000.',
  async run(lab) {
    return [await checks(lab), await memory(lab)]
  },
}

async function checks(lab: Lab): Promise<Table> {
  const program = join(lab.root, 'test/bench/programs/check-tests.ts')
  const tsx = pathToFileURL(join(lab.root, 'node_modules/tsx/dist/loader.mjs')).href
  const samples = await lab.inRuns(async () =>
    mediansOf(await lab.program(program, [lab.times(20_000, 6000)], { node: ['--import', tsx] })),
  )
  return tableOf(
    'the check of a test',
    'us',
    [
      { name: 'no socket', is: 'portside', bar: 20 },
      { name: 'ten sockets', is: 'portside', bar: 150 },
    ],
    samples,
  )
}

async function memory(lab: Lab): Promise<Table> {
  const count = lab.times(1_000_000, 40_000)
  const { heap } = await lab.program<{ heap: number }>('open-sockets.mjs', ['sockets', count, '--tracked'], {
    node: ['--expose-gc'],
  })
  const name = `after ${count.toLocaleString('en')} sockets, beside after 10,000`
  return tableOf('heap', 'x', [{ name, is: 'portside', bar: 1.1 }], { [name]: [heap] })
}
