import type { Lab } from '../lab.js'
import { mediansOf } from '../statistics.js'
import { type Measure, tableOf, type Way } from '../table.js'

const ENTRIES = [
  'portside',
  'portside/get-port',
  'portside/register',
  'portside/node-test',
  'portside/mocha',
  'portside/jest',
  'portside/jest-environment',
  'portside/jest-preset',
  'portside/jest-runner',
  'portside/vitest/plugin',
  'portside/vitest/pool',
]
const BARE = 'bare Node, from start to end'
const WAYS: readonly Way[] = [
  ...ENTRIES.map((name) => ({ name, is: 'portside', ...(name === 'portside' ? { bar: 15 } : {}) }) as const),
  { name: 'get-port', is: 'peer' },
  { name: 'http-terminator', is: 'peer' },
  { name: 'why-is-node-running', is: 'peer' },
  { name: 'jest-environment-node', is: 'plain' },
  { name: 'jest-runner', is: 'plain' },
  { name: 'vitest/node', is: 'plain' },
]

/** The time that the import of each entry adds to an empty Node process. */
export const imports: Measure<Lab> = {
  name: 'import',
  title: 'An import',
  about:
    'The time of a process of Node that imports one entry, minus that of a process that imports nothing. ' +
    '`portside/jest-environment` and `portside/jest-runner` import the package of Jest that they extend. `portside/vitest/pool` imports ' +
    '`vitest/node` when it starts workers. `portside/vitest`, `portside/vitest/setup` and `portside/playwright` load inside of their runners only.',
  async run(lab) {
    const names = WAYS.map(({ name }) => name)
    const samples = await lab.inRuns(async () => {
      const times: Record<string, number[]> = Object.fromEntries([BARE, ...names].map((name) => [name, []]))
      for (let round = 0; round < lab.times(9, 5); round++) {
        times[BARE]?.push(lab.timeOf(program('0')))
        for (const name of names) times[name]?.push(lab.timeOf(program(`await import(${JSON.stringify(name)})`)))
      }
      const { [BARE]: bare = 0, ...taken } = mediansOf(times)
      const beyond = Object.entries(taken).map(([name, time]) => [name, time - bare])
      return { [BARE]: bare, ...Object.fromEntries(beyond) }
    })
    return [
      tableOf('import, beyond bare Node', 'ms', [...WAYS, { name: BARE, is: 'plain' }], samples, [
        { of: 'portside', beside: 'get-port' },
        { of: 'portside/get-port', beside: 'get-port' },
        { of: 'portside/register', beside: 'why-is-node-running' },
        { of: 'portside/jest-environment', beside: 'jest-environment-node' },
        { of: 'portside/jest-runner', beside: 'jest-runner' },
        { of: 'portside/vitest/pool', beside: 'vitest/node' },
      ]),
    ]
  },
}

const program = (code: string): string[] => ['--input-type=module', '--eval', code]
