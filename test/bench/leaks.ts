import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { LeakCheck } from '../../src/leaks/leak-check.js'
import { type Figure, median } from './figure.js'

const program = join(import.meta.dirname, 'programs/open-sockets.mjs')

/** What it costs that every socket is tracked, and that each test is checked. */
export async function leakCheck(): Promise<Figure[]> {
  return [...trackedConnects(), ...(await checks()), ...memory()]
}

/** CPU for each of 10 000 connections, in processes with and without: what is tracked stays so. */
function trackedConnects(rounds = 7): Figure[] {
  const bare: number[] = []
  const tracked: number[] = []
  for (let round = 0; round < rounds; round++) {
    bare.push(run('connects', 10_000).cpu)
    tracked.push(run('connects', 10_000, '--tracked').cpu)
  }
  const added = median(tracked.map((cpu, round) => cpu - bare[round]!))
  return [
    { name: 'CPU added for each connection by tracking with blame', value: added, unit: 'us', bar: 30 },
    { name: 'the same, beside a connection without', value: median(tracked) / median(bare), unit: 'x' },
  ]
}

/** Time of one check, with nothing left open. */
async function checks(): Promise<Figure[]> {
  const check = new LeakCheck('bench', { leaks: { kernel: false } })
  const without = await timeOfCheck(check, 20_000, async () => {})
  const ten = await timeOfCheck(check, 300, async () => {
    const { openAndClose } = await import(program)
    await openAndClose(10)
  })
  return [
    { name: 'the check of a test that opens no socket', value: without, unit: 'us', bar: 20 },
    { name: 'the check of a test that opens ten and closes them', value: ten, unit: 'us', bar: 150 },
  ]
}

async function timeOfCheck(check: LeakCheck, times: number, test: () => Promise<void>): Promise<number> {
  const taken: number[] = []
  for (let i = 0; i < times; i++) {
    let begun = performance.now()
    const owner = check.beginTest('a test')
    let spent = performance.now() - begun
    await check.run(owner, test)
    begun = performance.now()
    const error = await check.endTest(owner)
    spent += performance.now() - begun
    if (error !== undefined) throw error
    taken.push(spent * 1000)
  }
  return median(taken)
}

/** The heap after a million sockets were opened and closed. */
function memory(): Figure[] {
  const { heap } = run('sockets', 1_000_000, '--tracked')
  return [{ name: 'heap after 1,000,000 sockets, beside that after 10,000', value: heap, unit: 'x', bar: 1.1 }]
}

function run(what: string, count: number, ...args: string[]): { cpu: number; heap: number } {
  return JSON.parse(
    execFileSync(process.execPath, ['--expose-gc', program, what, String(count), ...args], { encoding: 'utf8' }),
  )
}
