import type { Lab } from '../lab.js'
import { mediansOf } from '../statistics.js'
import { type Measure, type Table, tableOf, type Way } from '../table.js'

const PRELOADED = 'why-is-node-running'
const CONNECTS: readonly Way[] = [
  { name: 'tracked, with blame', is: 'portside' },
  { name: 'net', is: 'plain' },
  { name: PRELOADED, is: 'peer' },
]
const ACCEPTED: readonly Way[] = [
  { name: 'portside', is: 'portside' },
  { name: 'net', is: 'plain' },
]

/** CPU that a connection costs more because it is tracked. */
export const tracking: Measure<Lab> = {
  name: 'tracking',
  title: 'A tracked connection',
  about:
    'CPU time of a TCP connection, both ends in one process, opened and reset one after the other. `tracked, with blame` is in a test ' +
    'under the leak check: the line and the test that opened it are known. why-is-node-running knows the line. ' +
    'The accepted connections are those of a server of `listenTcp()`.',
  async run(lab) {
    return [await connects(lab), await accepted(lab)]
  },
}

async function connects(lab: Lab): Promise<Table> {
  const count = lab.times(10_000, 5000)
  const cpu = async (args: string[], node: string[] = []): Promise<number> =>
    (await lab.program<{ cpu: number }>('open-sockets.mjs', ['connects', count, ...args], { node })).cpu
  const samples = await lab.inRuns(async () => {
    const rounds: Record<string, number[]> = { net: [], 'tracked, with blame': [], [PRELOADED]: [] }
    for (let round = 0; round < lab.times(3, 2); round++) {
      rounds.net?.push(await cpu([]))
      rounds['tracked, with blame']?.push(await cpu(['--tracked']))
      rounds[PRELOADED]?.push(await cpu([], ['--import', `${PRELOADED}/include`]))
    }
    return mediansOf(rounds)
  })
  return tableOf('CPU of a connection that a test opens', 'us', CONNECTS, samples, [
    { of: 'tracked, with blame', beside: 'net', bar: lab.major < 24 ? 1.1 : 1.06 },
    { of: 'tracked, with blame', beside: PRELOADED },
  ])
}

async function accepted(lab: Lab): Promise<Table> {
  const samples = await lab.inRuns(async () => mediansOf(await lab.program('accept.mjs', [lab.times(7, 5)])))
  return tableOf('CPU of a connection that a server accepts', 'us', ACCEPTED, samples, [
    { of: 'portside', beside: 'net', bar: 1.05 },
  ])
}
