import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from '../lab.js'
import { median } from '../statistics.js'
import { type Comparison, type Measure, type Table, tableOf, type Way } from '../table.js'
import { timeOfRunner } from './runner.js'

const TESTS = 10

/** A test runner: how its files look, and the ways to run them. */
interface Suite {
  readonly title: string
  /** Of the folder of its files. */
  readonly name: string
  readonly extension: string
  readonly head: string
  readonly assertion: (sum: string, expected: string) => string
  /** Beside the files of tests. */
  readonly files?: Readonly<Record<string, string>>
  /** Below node_modules; none is Node itself. */
  readonly program?: string
  readonly ways: ReadonlyArray<Way & { readonly args: (files: readonly string[]) => readonly string[] }>
  readonly bar: number
}

const VITEST: Omit<Suite, 'title' | 'ways' | 'bar'> = {
  name: 'vitest',
  extension: 'test.mjs',
  head: "import { expect, test } from 'vitest'",
  assertion: (sum, expected) => `expect(${sum}).toBe(${expected})`,
  files: {
    'empty-setup.mjs': '',
    'empty.config.mjs': vitestConfig('./empty-setup.mjs'),
    'portside.config.mjs': vitestConfig('portside/vitest/setup'),
  },
  program: 'vitest/vitest.mjs',
}

const SUITES: readonly Suite[] = [
  {
    ...VITEST,
    title: 'Vitest, forks',
    ways: [
      { name: 'portside/vitest/setup', is: 'portside', args: () => vitest('forks', 'portside') },
      { name: 'an empty setup file', is: 'plain', args: () => vitest('forks', 'empty') },
      {
        name: 'vitest --detectAsyncLeaks',
        is: 'peer',
        args: () => [...vitest('forks', 'empty'), '--detectAsyncLeaks'],
      },
    ],
    bar: 1.08,
  },
  {
    ...VITEST,
    title: 'Vitest, threads',
    ways: [
      { name: 'portside/vitest/setup', is: 'portside', args: () => vitest('threads', 'portside') },
      { name: 'an empty setup file', is: 'plain', args: () => vitest('threads', 'empty') },
    ],
    bar: 1.08,
  },
  {
    title: 'Jest',
    name: 'jest',
    extension: 'test.cjs',
    head: '',
    assertion: (sum, expected) => `expect(${sum}).toBe(${expected})`,
    files: { 'package.json': '{ "private": true }\n' },
    program: 'jest/bin/jest.js',
    ways: [
      { name: 'portside/jest-environment', is: 'portside', args: () => jest('portside/jest-environment') },
      { name: 'jest-environment-node', is: 'plain', args: () => jest('jest-environment-node') },
      {
        name: 'jest --detectOpenHandles',
        is: 'peer',
        args: () => [...jest('jest-environment-node'), '--detectOpenHandles'],
      },
    ],
    bar: 1.05,
  },
  {
    title: '`node:test`',
    name: 'node-test',
    extension: 'test.mjs',
    head: "import assert from 'node:assert'\nimport test from 'node:test'",
    assertion: (sum, expected) => `assert.equal(${sum}, ${expected})`,
    ways: [
      {
        name: '--import portside/node-test',
        is: 'portside',
        args: (files) => ['--import', 'portside/node-test', '--test', ...files],
      },
      { name: 'node --test', is: 'plain', args: (files) => ['--test', ...files] },
      {
        name: '--import why-is-node-running/include',
        is: 'peer',
        args: (files) => ['--import', 'why-is-node-running/include', '--test', ...files],
      },
    ],
    bar: 1.05,
  },
  {
    title: 'Mocha',
    name: 'mocha',
    extension: 'test.cjs',
    head: "const assert = require('node:assert')\nconst test = it",
    assertion: (sum, expected) => `assert.equal(${sum}, ${expected})`,
    program: 'mocha/bin/mocha.js',
    ways: [
      {
        name: '--require portside/mocha',
        is: 'portside',
        // By its file: Mocha looks for packages beside itself, which is another folder here.
        args: (files) => ['--require', '../../node_modules/portside/dist/mocha.js', ...files],
      },
      { name: 'mocha', is: 'plain', args: (files) => files },
      {
        name: '--import why-is-node-running/include',
        is: 'peer',
        args: (files) => ['--import=why-is-node-running/include', ...files],
      },
    ],
    bar: 1.02,
  },
]

/** Suites that open no socket, under the leak check and without it. */
export const suites: Measure<Lab> = {
  name: 'suites',
  title: 'A suite that opens no socket',
  about:
    `60 files of ${TESTS} tests each, none of which opens a socket, from the start of the runner to its end, with two workers where it has ` +
    'workers. CPU time is that of all processes of the run. `jest --detectOpenHandles` runs the files in one process. ' +
    'why-is-node-running prints when you call it, and fails no test.',
  async run(lab) {
    const tables: Table[] = []
    for (const suite of SUITES) tables.push(...(await timesOf(lab, suite)))
    return tables
  },
}

async function timesOf(lab: Lab, suite: Suite): Promise<Table[]> {
  const { cwd, files } = write(lab, suite)
  const run = ({ args }: Suite['ways'][number]) => timeOfRunner(lab, suite.program, args(files), { cwd })
  // Fills the caches of transformed files.
  for (const way of suite.ways) run(way)
  const cpu: Record<string, number[]> = {}
  const wall = await lab.inRuns(async () => {
    const taken: Record<string, number> = {}
    for (const way of suite.ways) {
      const times = Array.from({ length: suite.name === 'mocha' ? lab.times(5, 3) : 1 }, () => run(way))
      taken[way.name] = median(times.map((time) => time.wall))
      const used = times.flatMap((time) => time.cpu ?? [])
      if (used.length > 0) (cpu[way.name] ??= []).push(median(used))
    }
    return taken
  })
  const title = `${suite.title}, ${files.length} files`
  const [ours, plain, ...peers] = suite.ways.map(({ name }) => name) as [string, string, ...string[]]
  const beside = (bar?: number): Comparison[] => [
    { of: ours, beside: plain, ...(bar === undefined ? {} : { bar }) },
    ...peers.map((peer) => ({ of: ours, beside: peer })),
  ]
  const tables = [tableOf(title, 'ms', suite.ways, wall, beside(suite.bar))]
  if (ours in cpu) tables.push(tableOf(`${title}, CPU time`, 'ms', suite.ways, cpu, beside()))
  return tables
}

/** Its folder and the names of its files of tests. */
function write(lab: Lab, { name, extension, head, assertion, files = {} }: Suite): { cwd: string; files: string[] } {
  const cwd = join(lab.folder, 'suites', name)
  mkdirSync(cwd, { recursive: true })
  for (const [file, text] of Object.entries(files)) writeFileSync(join(cwd, file), text)
  const names = Array.from({ length: lab.times(60, 8) }, (_, index) => `sums-${index}.${extension}`)
  for (const [index, file] of names.entries()) {
    const tests = Array.from(
      { length: TESTS },
      (_, n) => `test('adds ${n}', () => {\n  ${assertion(`${index} + ${n}`, `${index + n}`)}\n})\n`,
    )
    writeFileSync(join(cwd, file), `${head}\n\n${tests.join('\n')}`)
  }
  return { cwd, files: names }
}

function vitestConfig(setup: string): string {
  return `export default { test: { setupFiles: ['${setup}'], maxWorkers: 2, reporters: ['dot'] } }\n`
}

const vitest = (pool: string, config: string): string[] => ['run', `--pool=${pool}`, `--config=${config}.config.mjs`]

function jest(testEnvironment: string): string[] {
  const config = { testEnvironment, testMatch: ['**/*.test.cjs'], cacheDirectory: './cache', watchman: false }
  return [`--config=${JSON.stringify(config)}`, '--maxWorkers=2']
}
