import { copyFileSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import type { Matrix } from '../consumers/combination.js'
import { nodeVersion, type Project, project, run } from '../consumers/project.js'
import { otherRunnerCombinations } from './other-runners.js'
import {
  type Outcome,
  readJestReport,
  readMochaReport,
  readNodeEvents,
  readPlaywrightReport,
  type Tally,
} from './outcome.js'

/** A version of a runner on a version of Node, and the expected results. */
export interface LeakCombination {
  readonly name: string
  readonly expected: Tally
  /** How many runs it needs. Each says once that the check is on. */
  readonly runs: number
  run(): Promise<{ outcome: Outcome; output: string }>
}

/** The expected numbers for `fixtures/projects/leaks`, by runner. */
const EXPECTED: Readonly<Record<'vitest' | 'jest' | 'mocha' | 'node:test' | 'playwright', Tally>> = {
  vitest: { leaking: 34, clean: 57, files: 4, hooks: 7 },
  jest: { leaking: 44, clean: 65, files: 3, hooks: 9 },
  mocha: { leaking: 37, clean: 66, files: 2, hooks: 10 },
  'node:test': { leaking: 38, clean: 61, files: 3, hooks: 8 },
  playwright: { leaking: 22, clean: 39, files: 1, hooks: 0 },
}

const NODES = ['20', '22', '24', '26']
const VITEST = { '3.2': NODES, '4.0': NODES, '4': NODES, '5': ['22', '24', '26'] }
const VITEST_WAYS: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(['forks', 'threads', 'vmThreads', 'vmForks'].map((pool) => [pool, [`--pool=${pool}`]])),
  'forks, listed hooks': ['--pool=forks', '--sequence.hooks=list'],
  plugin: ['--config=plugin.config.js'],
  'plugin, one worker': ['--config=plugin.config.js', '--no-isolate', '--maxWorkers=1'],
}
const JEST = ['29', '30']
const JEST_WAYS: Readonly<Record<string, readonly string[]>> = {
  workers: ['--maxWorkers=2'],
  'one process': ['--runInBand'],
  preset: ['--maxWorkers=2', '--config=preset.config.cjs'],
}
const MOCHA = ['10', '11', '12']
const MOCHA_WAYS: Readonly<Record<string, readonly string[]>> = {
  serial: [],
  parallel: ['--parallel', '--jobs=2'],
  'installed twice': ['--require', './install.cjs'],
}

/** The oldest and the newest version of Playwright that portside supports. */
const PLAYWRIGHT = { '1.50': ['20', '22'], '1': NODES }

/** All combinations. */
export function leakCombinations(matrix: Matrix): LeakCombination[] {
  const nodes = new Map(NODES.map((version) => [version, nodeVersion(matrix, version)]))
  const made = (name: string, packages: string[]): (() => Promise<Project>) =>
    project(join(matrix.folder, name), 'leaks', [...packages, matrix.tarball])
  return [
    ...Object.entries(VITEST).flatMap(([version, versions]) => {
      const files = made(`vitest-${version}`, [`vitest@${version}`, 'vite'])
      return versions.flatMap((node) =>
        Object.entries(VITEST_WAYS).map(([way, args]) =>
          combination('vitest', version, node, way, files, nodes, vitestRun(args)),
        ),
      )
    }),
    ...JEST.flatMap((version) => {
      const files = made(`jest-${version}`, [`jest@${version}`])
      return NODES.flatMap((node) =>
        Object.entries(JEST_WAYS).map(([way, args]) =>
          combination('jest', version, node, way, files, nodes, jestRun(args)),
        ),
      )
    }),
    ...MOCHA.flatMap((version) => {
      const files = made(`mocha-${version}`, [`mocha@${version}`])
      return NODES.flatMap((node) =>
        Object.entries(MOCHA_WAYS).map(([way, args]) =>
          combination('mocha', version, node, way, files, nodes, mochaRun(args)),
        ),
      )
    }),
    ...Object.entries(PLAYWRIGHT).flatMap(([version, versions]) => {
      const files = made(`playwright-${version}`, [`@playwright/test@${version === '1' ? '1' : `~${version}`}`])
      return versions.map((node) => combination('playwright', version, node, '', files, nodes, playwrightRun()))
    }),
    ...otherRunnerCombinations(matrix, nodes.get('20') as () => Promise<string>),
    ...NODES.map((node) => combination('node:test', '', node, '', made(`node-test-${node}`, []), nodes, nodeTestRun)),
  ]
}

type Run = (node: string, folder: string) => Promise<{ outcome: Outcome; output: string }>

function combination(
  runner: keyof typeof EXPECTED,
  version: string,
  node: string,
  way: string,
  files: () => Promise<Project>,
  nodes: ReadonlyMap<string, () => Promise<string>>,
  start: Run,
): LeakCombination {
  return {
    name: [`${runner} ${version}`.trim(), `Node ${node}`, way].filter(Boolean).join(', '),
    expected: EXPECTED[runner],
    runs: runner === 'mocha' ? 2 : 1,
    run: async () => start(await (nodes.get(node) as () => Promise<string>)(), (await files()).folder),
  }
}

export const vitestRun =
  (args: readonly string[], vitest = 'node_modules/vitest/vitest.mjs'): Run =>
  async (node, folder) => {
    const report = join(mkdtempSync(join(folder, 'report-')), 'report.json')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    const output = await run(node, [vitest, 'run', ...args, ...reporters], folder)
    return { outcome: readJestReport(report), output }
  }

export const jestRun =
  (args: readonly string[], jest = 'node_modules/jest/bin/jest.js'): Run =>
  async (node, folder) => {
    const report = join(mkdtempSync(join(folder, 'report-')), 'report.json')
    const files = ['--json', `--outputFile=${report}`, `--cacheDirectory=${join(folder, 'cache')}`, '--watchman=false']
    const output = await run(node, ['--experimental-vm-modules', jest, ...args, ...files], folder)
    return { outcome: readJestReport(report), output }
  }

const mochaRun =
  (args: readonly string[]): Run =>
  async (node, folder) => {
    const options = ['node_modules/mocha/bin/mocha.js', '--require', 'portside/mocha', '--reporter', 'json', ...args]
    // In separate runs, because files of one process have one report of sockets without a test.
    const outputs = [await run(node, [...options, 'mocha/*.test.{cjs,mjs}'], folder)]
    outputs.push(await run(node, [...options, 'mocha-hooks/*.test.cjs'], folder))
    return { outcome: together(outputs.map(readMochaReport)), output: outputs.join('\n') }
  }

const together = (outcomes: readonly Outcome[]): Outcome => ({
  tests: outcomes.flatMap(({ tests }) => tests),
  files: outcomes.flatMap(({ files }) => files),
})

export const playwrightRun =
  (playwright = 'node_modules/@playwright/test/cli.js'): Run =>
  async (node, folder) => {
    const report = join(mkdtempSync(join(folder, 'report-')), 'report.json')
    const output = await run(node, [playwright, 'test'], folder, { REPORT: report })
    return { outcome: readPlaywrightReport(report), output }
  }

const nodeTestRun: Run = async (node, folder) => {
  copyFileSync(join(import.meta.dirname, 'node-reporter.mjs'), join(folder, 'node-reporter.mjs'))
  const files = ['kinds', 'life', 'concurrent', 'file', 'ignored', 'hooks', 'hooks.redial'].map(
    (name) => `node-test/${name}.test.mjs`,
  )
  const options = ['--import', 'portside/node-test', '--test', '--test-reporter=./node-reporter.mjs']
  const output = await run(node, [...options, ...files], folder)
  return { outcome: readNodeEvents(output), output }
}
