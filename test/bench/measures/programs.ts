import { join } from 'node:path'
import type { Lab } from '../lab.js'
import { median } from '../statistics.js'
import { type Comparison, type Measure, tableOf, type Way } from '../table.js'

interface Times {
  readonly start: number
  readonly stop: number
}

type Measured = Readonly<Record<Key, Times[]>> & { readonly first: Times }
type Key = 'bare' | 'byPort' | 'oneFamily' | 'anywhere' | 'byDescriptor'

const BARE = 'spawn and connect'
const NAMES: Readonly<Record<Key, string>> = {
  byPort: 'spawnListening',
  oneFamily: 'spawnListening, with a family',
  anywhere: "spawnListening, with port: 'any'",
  byDescriptor: 'spawnListening, by descriptor',
  bare: BARE,
}
const FIRST = 'spawnListening, the first of a process'
const WAYS: readonly Way[] = [...Object.values(NAMES), FIRST].map((name) => ({
  name,
  is: name === BARE ? 'plain' : 'portside',
}))
const COMPARISONS: readonly Comparison[] = [
  { of: NAMES.byPort, beside: BARE, bar: 1.15 },
  { of: NAMES.oneFamily, beside: BARE, bar: 1.15 },
  { of: NAMES.anywhere, beside: BARE },
  { of: NAMES.byDescriptor, beside: BARE },
  { of: FIRST, beside: BARE },
]

/** A program from the call to a listener that accepts, and to its end. */
export const programs: Measure<Lab> = {
  name: 'programs',
  title: 'A program',
  about:
    'A small server in a process of its own, from the call to a listener that accepts. `spawn and connect` picks a free port, starts ' +
    'the program and connects every 2 ms. It does not check whose listener answers. Then the stop of the program, beside `kill()` and its exit.',
  async run(lab) {
    const stops: Record<string, number[]> = {}
    const starts = await lab.inRuns(async () => {
      const args = [lab.times(25, 7), join(lab.root, 'fixtures/programs')]
      const { first, ...ways } = await lab.program<Measured>('start-programs.mjs', args, { severalCpus: true })
      const middle = (key: Key, of: keyof Times): number => median(ways[key].map((time) => time[of]))
      for (const key of ['byPort', 'bare'] as const) {
        const name = key === 'bare' ? 'kill() and exit' : 'stop()'
        ;(stops[name] ??= []).push(middle(key, 'stop'))
      }
      const keys = Object.keys(NAMES) as Key[]
      return { ...Object.fromEntries(keys.map((key) => [NAMES[key], middle(key, 'start')])), [FIRST]: first.start }
    })
    const stopWays = [{ name: 'stop()', is: 'portside' } as const, { name: 'kill() and exit', is: 'plain' } as const]
    return [
      tableOf('a program that listens', 'ms', WAYS, starts, COMPARISONS),
      tableOf('a program that stops', 'ms', stopWays, stops, [{ of: 'stop()', beside: 'kill() and exit' }]),
    ]
  },
}
