// Checks tests that leave nothing open, and prints the microseconds of each check as JSON. Usage: check-tests.ts ROUNDS
import { LeakCheck } from '../../../src/leaks/leak-check.js'
// @ts-expect-error It is a program.
import { openAndClose } from './open-sockets.mjs'

const rounds = Number(process.argv[2])
const check = new LeakCheck('bench', { leaks: { kernel: false } })
const none = await timesOfCheck(rounds, async () => {})
const ten = await timesOfCheck(Math.ceil(rounds / 60), () => openAndClose(10))
console.log(JSON.stringify({ 'no socket': none, 'ten sockets': ten }))

async function timesOfCheck(times: number, test: () => Promise<void>): Promise<number[]> {
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
  return taken
}
