import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { run } from '../runners/consumers/project.js'
import { whyNoNamespace } from '../support/namespace.js'
import { installPacked } from '../support/pack.js'

// Runs a suite whose files all listen on the same ports, with the packed package and the runners of this checkout.

const root = join(import.meta.dirname, '../..')
const consumer = mkdtempSync(join(tmpdir(), 'portside-fixed-ports-'))

beforeAll(async () => {
  cpSync(join(root, 'fixtures/projects/fixed-ports'), consumer, { recursive: true })
  await installPacked(inject('packed'), consumer)
  for (const name of ['vitest', 'jest-runner', 'jest-environment-node', 'expect']) {
    mkdirSync(join(consumer, 'node_modules'), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(consumer, 'node_modules', name), 'junction')
  }
})
afterAll(() => rmSync(consumer, { recursive: true, force: true }))

interface Report {
  readonly passed: number
  readonly failed: number
  readonly output: string
}

type Env = NodeJS.ProcessEnv

const RUNNERS: ReadonlyArray<[string, (folder: string, env?: Env, ...args: string[]) => Promise<Report>]> = [
  [
    'Vitest',
    (folder, env, ...args) =>
      report(env, (file) => [
        join(root, 'node_modules/vitest/vitest.mjs'),
        'run',
        `--root=${folder}`,
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${file}`,
        ...args,
      ]),
  ],
  [
    'Jest',
    (folder, env, ...args) => {
      const config = join(folder, folder === consumer ? 'jest.config.cjs' : 'jest.config.mjs')
      return report(env, (file) => [
        join(root, 'node_modules/jest/bin/jest.js'),
        `--config=${config}`,
        '--json',
        `--outputFile=${file}`,
        '--watchman=false',
        // Jest remembers durations and would run the next suite in one process.
        `--cacheDirectory=${file}-cache`,
        ...args,
      ])
    },
  ],
]

async function report(env: Env = {}, command: (file: string) => string[]): Promise<Report> {
  const folder = mkdtempSync(join(consumer, 'report-'))
  const file = join(folder, 'report.json')
  const output = await run(process.execPath, command(file), consumer, env)
  if (!existsSync(file)) throw new Error(output)
  const { numPassedTests: passed, numFailedTests: failed } = JSON.parse(readFileSync(file, 'utf8'))
  return { passed, failed, output }
}

/** A folder in which the files of one run wait for each other. */
const meeting = (): Env => ({ MEETING: mkdtempSync(join(consumer, 'meeting-')) })

describe.each(RUNNERS)('%s', (name, start) => {
  // `npm run pools` tests both with each version of each runner.
  const whyNot = whyNoNamespace ?? (name === 'Jest' ? 'npm run pools has it' : undefined)

  test.skipIf(whyNot !== undefined)(
    `runs unchanged files with the same ports in parallel (${whyNot ?? 'possible here'})`,
    async () => {
      const { passed, failed, output } = await start(consumer, meeting())
      expect({ passed, failed }, output).toEqual({ passed: 8, failed: 0 })
    },
  )

  test.skipIf(whyNot !== undefined)(
    `runs on several kinds of hosts in one run, with the leak check (${whyNot ?? 'possible here'})`,
    async () => {
      const { passed, failed, output } = await start(join(consumer, 'hosts'))
      expect({ passed, failed }, output).toEqual({ passed: 8, failed: 0 })
    },
  )

  test('says why private networks are not possible', async () => {
    const { output } = await failing(start, { PATH: '/no/such/folder' })
    expect(output).toMatch(/nsenter is not in PATH\n\s*fix {8}install util-linux/)
  })

  test('continues without private networks if a fallback allows it, and says so once', async () => {
    const { passed, failed, output } = await start(consumer, {
      PATH: '/no/such/folder',
      ANY_PORT: '1',
      FALLBACK: name === 'Vitest' ? 'forks' : 'workers',
    })
    expect({ passed, failed }, output).toEqual({ passed: 8, failed: 0 })
    expect(
      output.match(/workers run without private networks, in the network of this machine: nsenter is not in PATH/g),
    ).toHaveLength(1)
  })
})

test('Vitest fails without private networks: one file has the ports, and the others get EADDRINUSE', async () => {
  const [, vitest] = RUNNERS[0]!
  const { passed, output } = await vitest(consumer, { ...meeting(), PLAIN: '1' })
  expect(passed).toBeLessThanOrEqual(1)
  expect(output).toContain('EADDRINUSE')
})

async function failing(start: (typeof RUNNERS)[0][1], env: Env): Promise<{ output: string }> {
  try {
    return await start(consumer, env)
  } catch (error) {
    return { output: String(error) }
  }
}

test.skipIf(whyNoNamespace !== undefined)(
  `Jest has a private network even if it would run all files in one process (${whyNoNamespace ?? 'possible here'})`,
  async () => {
    const [, jest] = RUNNERS[1]!
    const { passed, failed, output } = await jest(join(consumer, 'hosts'), {}, '--runInBand')
    expect({ passed, failed }, output).toEqual({ passed: 8, failed: 0 })
  },
)
