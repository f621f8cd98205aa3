import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Combination } from './combination.js'
import { jestCombinations, jestProjects } from './jest.js'
import { limited } from './limited.js'
import { mochaCombinations } from './mocha.js'
import { packInto } from './project.js'
import { typeCombinations } from './types.js'
import { vitestCombinations, vitestProjects } from './vitest.js'

// Runs the packed portside in projects like those of users, with each runner that it supports. Everything is installed from the registry
// into a temporary folder. `-- PATTERN` runs the combinations whose names match.

const pattern = new RegExp(process.argv[2] ?? '')

const folder = mkdtempSync(join(tmpdir(), 'portside-consumers-'))
try {
  const tarball = await packInto(folder)
  const matrix = { folder, tarball }
  const vitest = vitestProjects(matrix)
  const jest = jestProjects(matrix)
  const combinations = [
    ...vitestCombinations(matrix, vitest),
    ...jestCombinations(jest),
    ...mochaCombinations(matrix),
    ...typeCombinations(matrix, vitest, jest),
  ].filter(({ name }) => pattern.test(name))
  if (!(await report(combinations))) process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** Runs all of them, prints a line for each in order, and returns whether all are right. */
async function report(combinations: readonly Combination[]): Promise<boolean> {
  const slot = limited(availableParallelism())
  const running = combinations.map((combination) => ({ combination, checked: slot(() => timed(combination)) }))
  const failed: string[] = []
  for (const { combination, checked } of running) {
    const { complaints, seconds } = await checked
    const outcome = complaints.length > 0 ? 'FAILED' : `ok${combination.needs ? ` with ${combination.needs}` : ''}`
    console.log(`${combination.name.padEnd(80)} ${seconds.toFixed(1).padStart(5)} s  ${outcome}`)
    if (complaints.length > 0) failed.push([`== ${combination.name}`, ...complaints].join('\n'))
  }
  for (const output of failed) console.log(`\n${output}`)
  console.log(`\n${combinations.length - failed.length} combinations are ok, ${failed.length} FAILED`)
  return failed.length === 0
}

async function timed({ check }: Combination): Promise<{ complaints: string[]; seconds: number }> {
  const started = performance.now()
  const complaints = await check().catch((error) => [String(error?.stderr || ''), String(error?.stack ?? error)])
  return { complaints, seconds: (performance.now() - started) / 1000 }
}
