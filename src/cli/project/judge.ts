import type { Finding } from '../finding.js'
import { lookAtProject, type ProjectReport } from './look.js'
import type { RunnerReport } from './report.js'

export interface JudgedProject {
  readonly project: ProjectReport
  readonly findings: readonly Finding[]
}

/** Looks at the nearest project from a folder upward. Returns the project and the findings. */
export function lookAndJudge(from: string | undefined, env: NodeJS.ProcessEnv): JudgedProject {
  const project = lookAtProject(from, env)
  return { project, findings: judgeProject(project) }
}

/** The findings of `portside doctor` about a project. */
export function judgeProject({ root, problem, runners, hasPortside, workspaces }: ProjectReport): Finding[] {
  if (root === undefined) return [{ check: 'project', found: problem ?? 'none', verdict: 'hint' }]
  const notes =
    workspaces.length === 0 ? {} : { notes: [`run portside doctor in its workspaces, too: ${someOf(workspaces)}`] }
  return [
    { check: 'project', found: root, verdict: 'ok', ...notes },
    ...(problem === undefined
      ? []
      : [{ check: 'package.json', found: problem, verdict: 'warn' as const, next: 'make it a JSON object' }]),
    ...(hasPortside || runners.length === 0
      ? []
      : [
          {
            check: 'portside',
            found: 'not installed in this project',
            verdict: 'hint' as const,
            next: 'npm install --save-dev portside',
          },
        ]),
    ...(runners.length === 0 ? [{ check: 'test runner', found: NO_RUNNER, verdict: 'hint' as const }] : []),
    ...runners.flatMap(judgeRunner),
  ]
}

const NO_RUNNER = 'no dependency, configuration or script of this project names a test runner that portside knows'

const MOST_NAMED = 20
const someOf = (names: readonly string[]): string =>
  names.length > MOST_NAMED
    ? `${names.slice(0, MOST_NAMED).join(', ')} and ${names.length - MOST_NAMED} more`
    : names.join(', ')

function judgeRunner(report: RunnerReport): Finding[] {
  const { name, version, check, faults, notes } = report
  const label = [NAMES[name] ?? name, ...(version === undefined ? [] : [version])].join(' ')
  const wrong = faults.map(({ found, fix, leavesOff }): Finding => {
    return { check: label, found, verdict: leavesOff && check === 'off' ? 'bad' : 'warn', next: fix }
  })
  const [first, ...rest] = check === 'off' ? wrong : [stateOf(label, report), ...wrong]
  return first === undefined ? [] : [{ ...first, ...(notes.length === 0 ? {} : { notes }) }, ...rest]
}

const NAMES: Readonly<Record<string, string>> = {
  vitest: 'Vitest',
  jest: 'Jest',
  mocha: 'Mocha',
  ava: 'AVA',
  playwright: 'Playwright Test',
  cucumber: 'Cucumber.js',
  jasmine: 'Jasmine',
}

function stateOf(check: string, { check: state, how = '', page, add = [], addTo }: RunnerReport): Finding {
  if (state === 'on') return { check, found: `the leak check is on: ${how}`, verdict: 'ok' }
  if (page !== undefined) return { check, found: how, verdict: 'hint', next: `see ${page}` }
  if (state === 'unknown') {
    const next = 'run a test that leaves a socket open: it fails if the check is on'
    return { check, found: `the leak check may be on or off: ${how}`, verdict: 'hint', next }
  }
  const next = [`add to ${addTo}:`, ...add.map((line) => `  ${line}`)].join('\n')
  return { check, found: 'the leak check is not set up', verdict: 'hint', next }
}
