import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import type { Combination, Matrix } from './combination.js'
import { complaintsOf, type Expected, MATCHERS, VITEST_4_0_NET, VITEST_NET, WITHOUT_MATCHERS } from './expected.js'
import { nodeFor, type Project, project, run } from './project.js'

const POOLS: Readonly<Record<string, readonly string[]>> = {
  forks: ['--pool=forks'],
  'forks without isolation': ['--pool=forks', '--no-isolate'],
  threads: ['--pool=threads'],
  vmThreads: ['--pool=vmThreads'],
}

/** The ways to add the matchers to `expect`. */
const SETUPS: Readonly<Record<string, string>> = {
  "setupFiles: ['portside/vitest/setup']": 'portside/vitest/setup',
  'install()': './install.ts',
}

/** A project for each Vitest. The types of Node are those that Vitest 5 requires. */
export function vitestProjects({ folder, tarball }: Matrix): Map<string, () => Promise<Project>> {
  const packages = (version: string): string[] => [`vitest@${version}`, 'vite', '@types/node@22', tarball]
  return new Map(
    ['3.2', '4.0', '4', '5'].map((version) => [
      version,
      project(join(folder, `vitest-${version}`), 'consumer-vitest', packages(version)),
    ]),
  )
}

/** Each Vitest, in each pool, with the matchers added in each way, and once without them. */
export function vitestCombinations(matrix: Matrix, projects: Map<string, () => Promise<Project>>): Combination[] {
  const newer = nodeFor(matrix, 22, 12)
  return [...projects].flatMap(([version, made]) => {
    const combination = (name: string, args: readonly string[], setup: string, expected: Record<string, Expected>) => ({
      name: `vitest ${version}, ${name}`,
      async check() {
        const { folder } = await made()
        const node = version === '5' ? await newer() : process.execPath
        const report = join(mkdtempSync(join(folder, 'report-')), 'report.json')
        const files = Object.keys(expected)
        const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
        const output = await run(
          node,
          ['node_modules/vitest/vitest.mjs', 'run', ...args, ...reporters, ...files],
          folder,
          { SETUP: setup },
        )
        const complaints = complaintsOf(report, expected)
        return complaints.length > 0 ? [...complaints, output] : []
      },
    })
    const net = version === '3.2' || version === '4.0' ? VITEST_4_0_NET : VITEST_NET
    const both = { 'matchers.test.ts': MATCHERS, 'net.test.ts': net }
    return [
      ...Object.entries(POOLS).flatMap(([pool, args]) =>
        Object.entries(SETUPS).map(([way, setup]) => combination(`${pool}, ${way}`, args, setup, both)),
      ),
      combination('no matchers', [], '', { 'matchers.test.ts': WITHOUT_MATCHERS }),
    ]
  })
}
