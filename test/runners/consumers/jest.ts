import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import type { Combination, Matrix } from './combination.js'
import { writeExamples } from './examples.js'
import { complaintsOf, type Expected, JEST_NET, MATCHERS, WITHOUT_MATCHERS } from './expected.js'
import { type Project, project, run } from './project.js'

interface Way {
  readonly config: object
  /** The test files, without their extensions. */
  readonly expected: Readonly<Record<string, Expected>>
}

/** The ways to add the matchers to `expect`, and to use `useNet()` in a test. */
const WAYS: Readonly<Record<string, Way>> = {
  "testEnvironment: 'portside/jest-environment'": {
    config: { testEnvironment: 'portside/jest-environment' },
    expected: { matchers: MATCHERS },
  },
  "setupFilesAfterEnv: ['portside/jest']": {
    config: { setupFilesAfterEnv: ['portside/jest'] },
    expected: { matchers: MATCHERS },
  },
  'useNet()': { config: {}, expected: JEST_NET },
  'useNet() in the environment': { config: { testEnvironment: 'portside/jest-environment' }, expected: JEST_NET },
  'an environment on top': {
    config: { testEnvironment: '<rootDir>/own-environment.cjs' },
    expected: {
      'own-environment': { passed: ['an environment built on that of portside has both'], failed: {} },
      matchers: MATCHERS,
    },
  },
  'injectGlobals: false, install()': {
    config: { injectGlobals: false },
    expected: {
      'no-globals': { ...MATCHERS, passed: [...MATCHERS.passed, 'useNet says that it needs the globals'] },
    },
  },
  'no matchers': { config: {}, expected: { matchers: WITHOUT_MATCHERS } },
}

/** A project for each Jest, with the types of its globals. */
export function jestProjects({ folder, tarball }: Matrix): Map<string, () => Promise<Project>> {
  const packages = (version: string): string[] => [
    `jest@${version}`,
    `@types/jest@${version}`,
    '@types/node@22',
    tarball,
  ]
  return new Map(
    ['29', '30'].map((version) => [
      version,
      project(join(folder, `jest-${version}`), 'consumer-jest', packages(version)),
    ]),
  )
}

/** Each Jest, with test files of both module systems, in each way, and once without matchers. */
export function jestCombinations(projects: Map<string, () => Promise<Project>>): Combination[] {
  return [...projects].flatMap(([version, made]) => [
    ...(['cjs', 'mjs'] as const).flatMap((ending) =>
      Object.entries(WAYS).map(([name, { config, expected }]) => ({
        name: `jest ${version}, ${ending === 'cjs' ? 'CJS' : 'ESM'}, ${name}`,
        check: async () => runJest(await made(), config, withEnding(expected, `.test.${ending}`)),
      })),
    ),
    {
      name: `jest ${version}, CJS, the examples of docs/jest.md`,
      async check() {
        const project = await made()
        const config = { testEnvironment: 'portside/jest-environment' }
        return runJest(project, config, writeExamples(project, 'docs/jest.md'))
      },
    },
  ])
}

/** Runs only the expected files. */
async function runJest({ folder }: Project, config: object, expected: Record<string, Expected>): Promise<string[]> {
  const report = join(mkdtempSync(join(folder, 'report-')), 'report.json')
  const files = Object.keys(expected)
  const settings = {
    rootDir: folder,
    cacheDirectory: join(folder, 'cache'),
    transform: {},
    testMatch: files.map((file) => `<rootDir>/${file}`),
    ...config,
  }
  const modules = files.some((file) => file.endsWith('.mjs')) ? ['--experimental-vm-modules'] : []
  const jest = ['node_modules/jest/bin/jest.js', '--config', JSON.stringify(settings), '--watchman=false']
  const output = await run(process.execPath, [...modules, ...jest, '--json', `--outputFile=${report}`], folder)
  const complaints = complaintsOf(report, expected)
  return complaints.length > 0 ? [...complaints, output] : []
}

const withEnding = (expected: Readonly<Record<string, Expected>>, ending: string): Record<string, Expected> =>
  Object.fromEntries(Object.entries(expected).map(([file, value]) => [file + ending, value]))
