import { join } from 'node:path'
import { readMochaReport } from '../compat/outcome.js'
import type { Combination, Matrix } from './combination.js'
import { writeExamples } from './examples.js'
import { complaintsOfFile, type Expected } from './expected.js'
import { type Project, project, run } from './project.js'

const NET: Expected = {
  passed: [
    'is there for a test',
    'is closed after it, before the afterEach hooks below',
    'checks for leaks only where Mocha requires it',
    'there is no scope',
    'has a scope of its own',
    'leaves nothing open',
    'leaves nothing open, either',
    'does not end the suite',
    'nothing is open',
    'is a test above it',
    'nothing is open, either',
  ],
  failed: {
    'fails: its own error': ['the test failed'],
    'fails: it fails its test': ['the undo failed'],
    'fails: it hides nothing': ['the test failed', 'the undo failed'],
  },
}
/** After an afterEach that fails, Mocha skips the close of the scope. It follows after the suite, and after the leak check. */
const { passed, failed } = NET
const CHECKED: Expected = {
  passed: passed.filter((title) => title !== 'is a test above it'),
  failed: { ...failed, 'is a test above it': ["is a test above it' left 1 socket open"] },
}

const HOOKS = ['the undo failed', 'the beforeEach failed', 'the afterEach failed']

/** The interfaces of Mocha, serially and in a worker. */
const WAYS: Readonly<Record<string, readonly [args: readonly string[], expected: Expected]>> = {
  BDD: [['bdd.test.cjs'], NET],
  'BDD, parallel': [['--parallel', 'bdd.test.cjs'], NET],
  'BDD, with the leak check': [['--require', 'portside/mocha', 'bdd.test.cjs'], CHECKED],
  TDD: [['--ui', 'tdd', 'tdd.test.cjs'], NET],
}

/** `useNet()` with each Mocha. */
export function mochaCombinations({ folder, tarball }: Matrix): Combination[] {
  return ['10', '11', '12'].flatMap((version) => {
    const made = project(join(folder, `mocha-${version}`), 'consumer-mocha', [`mocha@${version}`, tarball])
    return [
      ...Object.entries(WAYS).map(([way, [args, expected]]) => ({
        name: `mocha ${version}, useNet(), ${way}`,
        check: async () => runMocha(await made(), args, expected, HOOKS),
      })),
      {
        name: `mocha ${version}, the examples of docs/mocha.md`,
        async check() {
          const project = await made()
          const examples = Object.entries(writeExamples(project, 'docs/mocha.md'))
          const runs = examples.map(([file, expected]) => runMocha(project, [file], expected, []))
          return (await Promise.all(runs)).flat()
        },
      },
    ]
  })
}

/** The faults of a run of Mocha. `hooks` has the messages of the hooks that must fail. */
async function runMocha(
  { folder }: Project,
  args: readonly string[],
  expected: Expected,
  hooks: readonly string[],
): Promise<string[]> {
  const output = await run(process.execPath, ['node_modules/mocha/bin/mocha.js', '--reporter=json', ...args], folder)
  const { tests, files } = readMochaReport(output)
  const results = tests.map(({ title, failed, said }) => ({
    title,
    status: failed ? 'failed' : 'passed',
    failureMessages: [said],
  }))
  const complaints = complaintsOfFile(results, expected)
  if (files.join() !== hooks.join()) complaints.push(`hooks failed with ${files.join()}`)
  return complaints.length > 0 ? [...complaints, output] : []
}
