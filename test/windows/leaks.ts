import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Outcome, readJestReport, readNodeEvents } from '../runners/compat/outcome.js'
import { CONSUMER } from './consumer.js'
import type { Wine } from './wine.js'

const LIMIT = 120

/** The runners whose tests leak in `fixtures/projects/windows`. */
export const RUNNERS = ['node:test', 'vitest'] as const

/** Runs the leak check under a runner. Resolves to the complaints, with the output if there are any. */
export async function windowsLeaks(
  wine: Wine,
  node: string,
  runner: (typeof RUNNERS)[number],
  env: Readonly<Record<string, string>>,
): Promise<string[]> {
  const { outcome, output } = runner === 'vitest' ? await vitest(wine, node, env) : await nodeTest(wine, node, env)
  const complaints = complaintsOf(outcome, runner)
  return complaints.length === 0 ? [] : [...complaints, output.slice(-3000)]
}

type Ran = Promise<{ outcome: Outcome; output: string }>

async function nodeTest(wine: Wine, node: string, env: Readonly<Record<string, string>>): Ran {
  const options = ['--import', 'portside/node-test', '--test', '--test-reporter=./node-reporter.mjs']
  const file = 'node-test\\leaks.test.mjs'
  const { output } = await wine.run(node, [...options, file], { folder: CONSUMER, seconds: LIMIT, env })
  return { outcome: readNodeEvents(output), output }
}

async function vitest(wine: Wine, node: string, env: Readonly<Record<string, string>>): Ran {
  const report = join(wine.drive, CONSUMER, 'report.json')
  rmSync(report, { force: true })
  const options = ['run', '--reporter=default', '--reporter=json', '--outputFile.json=report.json']
  const program = 'node_modules\\vitest\\vitest.mjs'
  const { output } = await wine.run(node, [program, ...options], { folder: CONSUMER, seconds: LIMIT, env })
  return { outcome: readJestReport(report), output }
}

/** A test that leaks must fail and name its line, and a clean one must pass. */
function complaintsOf({ tests, files }: Outcome, runner: string): string[] {
  const place = new RegExp(` opened at +${runner.replace(':', '-')}[/\\\\]leaks\\.test\\.mjs:\\d+`)
  const complaints = files.map((said) => `of the file: ${said}`)
  for (const { title, failed, said } of tests) {
    const leaks = title.startsWith('leaks ')
    if (failed !== leaks) complaints.push(`'${title}' has ${failed ? 'failed' : 'passed'}: ${said}`)
    else if (leaks && !place.test(said)) complaints.push(`'${title}' does not name its line: ${said}`)
  }
  if (tests.length !== TESTS) complaints.push(`${tests.length} tests have run, and not ${TESTS}`)
  return complaints
}

/** In each file of the project. */
const TESTS = 3
