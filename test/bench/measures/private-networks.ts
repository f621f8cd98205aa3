import { cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from '../lab.js'
import { mediansOf } from '../statistics.js'
import { type Measure, type Table, tableOf } from '../table.js'
import { timeOfRunner } from './runner.js'

/** The cost of a private network: for a program, an exhausted range and a suite. */
export const privateNetworks: Measure<Lab> = {
  name: 'private-networks',
  title: 'A private network',
  about:
    'A program to its first message, started by `spawnInNamespace()` and by `spawn()`. An ephemeral range of 16 ports, exhausted, ' +
    'asserted and released. Eight Vitest files that all listen on ports 3000 and 80, with two workers of the pool, beside the same files ' +
    "on port 0 under Vitest's forks.",
  async run(lab) {
    const first = await lab.program<string | object>('private-networks.mjs', ['spawn', 1], { severalCpus: true })
    if (typeof first === 'string') return `no private networks here: ${first}`
    return [await firstMessage(lab), await exhaustion(lab), await fixedPorts(lab)]
  },
}

async function firstMessage(lab: Lab): Promise<Table> {
  const samples = await lab.inRuns(async () =>
    mediansOf(await lab.program('private-networks.mjs', ['spawn', lab.times(25, 7)], { severalCpus: true })),
  )
  const ways = [{ name: 'spawnInNamespace', is: 'portside' } as const, { name: 'spawn', is: 'plain' } as const]
  return tableOf('a program to its first message', 'ms', ways, samples, [
    { of: 'spawnInNamespace', beside: 'spawn', bar: 1.2 },
  ])
}

async function exhaustion(lab: Lab): Promise<Table> {
  const samples = await lab.inRuns(async () =>
    mediansOf(await lab.program('private-networks.mjs', ['exhaust', lab.times(15, 7)], { severalCpus: true })),
  )
  return tableOf(
    '16 ports exhausted, asserted and released',
    'ms',
    [{ name: 'exhausted', is: 'portside', bar: 20 }],
    samples,
  )
}

/** The project with fixed ports under the pool, beside the same files with port 0 under Vitest's forks. */
async function fixedPorts(lab: Lab): Promise<Table> {
  const cwd = join(lab.folder, 'suites/fixed-ports')
  if (!existsSync(cwd)) cpSync(join(lab.root, 'fixtures/projects/fixed-ports'), cwd, { recursive: true })
  const pool = 'fixed ports, in the pool'
  const forks = 'port 0, in forks'
  const samples = await lab.inRuns(async () => {
    const times: Record<string, number[]> = { [pool]: [], [forks]: [] }
    for (let round = 0; round < lab.times(2, 1); round++) {
      const run = (env: NodeJS.ProcessEnv): number =>
        timeOfRunner(lab, 'vitest/vitest.mjs', ['run'], { cwd, env: { WORKERS: '2', ...env } }).wall
      times[forks]?.push(run({ PLAIN: '1', ANY_PORT: '1' }))
      times[pool]?.push(run({}))
    }
    return mediansOf(times)
  })
  const ways = [{ name: pool, is: 'portside' } as const, { name: forks, is: 'plain' } as const]
  return tableOf('eight files that need ports', 'ms', ways, samples, [{ of: pool, beside: forks, bar: 1.1 }])
}
