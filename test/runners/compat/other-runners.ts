import { readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { codeBlocks } from '../../support/code-blocks.js'
import { readPage } from '../../support/documentation.js'
import type { Matrix } from '../consumers/combination.js'
import { exitOf, project } from '../consumers/project.js'
import type { LeakCombination } from './combinations.js'
import type { Outcome } from './outcome.js'

/** A runner that portside has no entry for, with the hook of docs/other-runners.md. */
export interface OtherRunner {
  /** The heading of its section on the page. */
  readonly heading: string
  /** Below `fixtures/projects/other-runners`. */
  readonly folder: string
  readonly package: string
  readonly version: string
  /** The arguments of the page's command: a file that leaks, and a file that does not. */
  readonly files: readonly [leaking: string, clean: string]
  readonly more?: readonly string[]
  /** Its output after each file. Without this line, the run has not run all tests. */
  readonly ends: readonly [leaking: string, clean: string]
  /** A pattern for its output for a test that leaks. */
  blames(title: string): string
}

const JS = ['test/leaking.test.js', 'test/clean.test.js'] as const

export const OTHER_RUNNERS: readonly OtherRunner[] = [
  {
    heading: 'AVA',
    folder: 'ava',
    package: 'ava',
    version: '6',
    files: JS,
    ends: ['1 test failed\n  1 uncaught exception', '2 tests passed'],
    blames: (title) => `LeakError: portside: [^]*^ +test +${title}$`,
  },
  {
    heading: 'Cucumber.js',
    folder: 'cucumber',
    package: '@cucumber/cucumber',
    version: '12',
    files: ['features/leaking.feature', 'features/clean.feature'],
    ends: ['3 scenarios (2 failed, 1 passed)', '2 scenarios (2 passed)'],
    blames: (title) => `^\\d+\\) Scenario: ${title} #[^]*?LeakError: portside: `,
  },
  {
    heading: 'Jasmine',
    folder: 'jasmine',
    package: 'jasmine',
    version: '7',
    files: ['spec/leaking.spec.js', 'spec/clean.spec.js'],
    ends: ['3 specs, 2 failures', '2 specs, 0 failures'],
    blames: (title) => `^\\d+\\) .*${title}\n[^]*?LeakError: portside: `,
  },
  {
    heading: 'tap',
    folder: 'tap',
    package: 'tap',
    version: '21',
    files: JS,
    // Nothing here is covered, which tap treats as a failure.
    more: ['--disable-coverage', '--reporter=tap'],
    ends: ['{ total: 6, pass: 2, fail: 4 }', '{ total: 2, pass: 2 }'],
    blames: (title) => `^ +not ok \\d+ - ${title}: portside: `,
  },
  {
    heading: 'tape',
    folder: 'tape',
    package: 'tape',
    version: '5',
    files: JS,
    ends: ['# pass  2\n# fail  3', '# pass  2'],
    blames: (title) => `^# ${title}: no socket is left open\nnot ok \\d+ LeakError: portside: `,
  },
  {
    heading: 'uvu',
    folder: 'uvu',
    package: 'uvu',
    version: '0.5',
    files: ['leaking', 'clean'],
    ends: ['Passed:    2', 'Passed:    3'],
    blames: (title) => `${title}: portside: `,
  },
]

/** All of them on Node 20: the hook is tested, not the version. */
export function otherRunnerCombinations(matrix: Matrix, node: () => Promise<string>): LeakCombination[] {
  return OTHER_RUNNERS.map((runner) => {
    const { folder, package: name, version } = runner
    const packages = [`${name}@${version}`, matrix.tarball]
    const made = project(join(matrix.folder, `other-${folder}`), `other-runners/${folder}`, packages)
    return {
      name: `${folder} ${version}, Node 20`,
      expected: { leaking: 2, clean: 3, files: 0, hooks: 0 },
      runs: 0,
      run: async () => runOther(runner, await node(), (await made()).folder),
    }
  })
}

/** The blocks of its section. */
export function blocksOf({ heading }: OtherRunner): ReturnType<typeof codeBlocks> {
  const section = readPage('docs/other-runners.md').split(/^## /m)
  return codeBlocks(section.find((text) => text.startsWith(`${heading}\n`)) ?? '')
}

/** The command of the page without the pattern for its files: `npx ava`. */
export function commandOf(runner: OtherRunner): string[] {
  const { code = '' } = blocksOf(runner).find(({ language }) => language === 'sh') ?? {}
  return code.split(' ').filter((word) => !word.includes('*'))
}

async function runOther(runner: OtherRunner, node: string, folder: string) {
  const [, program = '', ...words] = commandOf(runner)
  const { files, more = [], ends, blames } = runner
  const ran: Array<{ code: number; output: string }> = []
  for (const file of files) {
    const args = [realpathSync(join(folder, 'node_modules/.bin', program)), ...words, ...more, file]
    const { code, output } = await exitOf(node, args, folder)
    ran.push({ code, output: stripVTControlCharacters(output) })
  }
  const [leaking, clean] = ran as [(typeof ran)[0], (typeof ran)[0]]
  const isBlamed = (title: string): boolean => new RegExp(blames(title), 'm').test(leaking.output)
  const tests: Outcome['tests'] = [
    ...titlesIn(folder, runner, 'leaking').map((title) => ({
      title,
      failed: leaking.code !== 0 && isBlamed(title),
      said: isBlamed(title) ? `ERR_PORTSIDE_LEAK\n${leaking.output}` : leaking.output,
    })),
    ...titlesIn(folder, runner, 'clean').map((title) => ({ title, failed: clean.code !== 0, said: clean.output })),
  ]
  const isWhole = leaking.output.includes(ends[0]) && clean.output.includes(ends[1])
  return { outcome: { tests: isWhole ? tests : [], files: [] }, output: `${leaking.output}\n${clean.output}` }
}

/** The titles of the tests in that file. */
function titlesIn(folder: string, { folder: name }: OtherRunner, file: 'leaking' | 'clean'): string[] {
  const path = { cucumber: `features/${file}.feature`, jasmine: `spec/${file}.spec.js` }[name] ?? `test/${file}.test.js`
  const text = readFileSync(join(folder, path), 'utf8')
  return [...text.matchAll(/(?:'|Scenario: )((?:leaks|clean) [^'\n]*)/g)].map(([, title = '']) => title)
}
