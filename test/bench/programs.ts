import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Figure, median } from './figure.js'

const script = fileURLToPath(new URL('programs/start-programs.mjs', import.meta.url))

interface Times {
  readonly start: number
  readonly stop: number
}

interface Measured {
  readonly first: Times
  readonly bare: Times[]
  readonly byPort: Times[]
  readonly oneFamily: Times[]
  readonly anywhere: Times[]
  readonly byDescriptor: Times[]
}

/**
 * A program from the call to a listener that accepts, and to its end, beside a bare `spawn` with a loop that dials every 2 ms. In a
 * process of its own: a fork takes longer in a process that has more memory (fork(2) copies its page tables), and this one has a
 * compiler in it.
 */
export function startAndStop(rounds = 25): Figure[] {
  const output = execFileSync(process.execPath, [script, String(rounds)], { encoding: 'utf8' })
  const { first, bare, ...ways }: Measured = JSON.parse(output)
  const middle = (times: Times[], of: keyof Times): number => median(times.map((time) => time[of]))
  const least = (times: Times[]): number => Math.min(...times.map(({ start }) => start))
  const beside = (times: Times[]): number => middle(times, 'start') / middle(bare, 'start')
  return [
    { name: 'spawnListening, beside spawn and dials', value: beside(ways.byPort), unit: 'x', bar: 1.15 },
    { name: '  the same, the least of each', value: least(ways.byPort) / least(bare), unit: 'x' },
    { name: '  with a family', value: beside(ways.oneFamily), unit: 'x', bar: 1.15 },
    { name: "  with port: 'any'", value: beside(ways.anywhere), unit: 'x' },
    { name: '  by descriptor', value: beside(ways.byDescriptor), unit: 'x' },
    { name: '  the first of a process', value: first.start / middle(bare, 'start'), unit: 'x' },
    { name: 'stop(), median', value: middle(ways.byPort, 'stop'), unit: 'ms' },
    { name: '  kill() and the exit, median', value: middle(bare, 'stop'), unit: 'ms' },
  ]
}
