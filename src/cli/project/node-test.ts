import { join } from 'node:path'
import { imports, readMode, testFilesWith } from './common.js'
import { isPortside, whyWrong } from './entries.js'
import type { Project } from './find-project.js'
import { type Conclusion, conclude, Evidence, type RunnerReport } from './report.js'
import { type Command, nodeOptions, optionValues, type Run, runsOf } from './scripts.js'
import { loadNamed, settingsOf, settingsSource } from './sources.js'

const ENTRY = 'portside/node-test'
const MANIFEST = 'package.json'

/** Reports how a project sets node:test up. Undefined if no script runs `node --test` and, without `others`, no test imports it. */
export function lookAtNodeTest(project: Project, env: Conclusion['env'], others: boolean): RunnerReport | undefined {
  const runs = runsOf(project.commands, ['node', 'tsx']).filter(({ after }) =>
    after.some((word) => /^--test(?:-|$)/.test(word)),
  )
  if (runs.length === 0 && (others || testFilesWith(project, 'node:test').length === 0)) return undefined
  const evidence = new Evidence()
  const without: string[] = []
  for (const run of runs) {
    const own = new Evidence()
    readRun(project, run, own)
    if (own.on.length === 0) without.push(`'${run.script}'`)
    evidence.add(own)
  }
  if (evidence.on.length > 0 && without.length > 0) {
    evidence.notes.add(`the check is not set up in the script ${without.join(', ')}`)
  }
  if (evidence.on.length === 0) readTestFiles(project, evidence)
  return conclude(evidence, {
    name: 'node:test',
    config: runs.length > 0 ? MANIFEST : undefined,
    runs,
    env,
    advice: advice(runs),
  })
}

function readRun(project: Project, run: Run, evidence: Evidence): void {
  const where = `the script '${run.script}'`
  const words = [...run.before, ...run.after, ...nodeOptions(run)]
  const root = settingsSource(MANIFEST, join(project.root, MANIFEST), {})
  for (const name of optionValues(words, '--import', '--require', '-r')) {
    if (name === ENTRY) evidence.on.push(`${where} has '${ENTRY}'`)
    else if (name === 'portside/register')
      evidence.notes.add(`'${name}' in ${where} tracks sockets but does not check them`)
    else if (isPortside(name))
      evidence.off(`${where} has '${name}', ${whyWrong(name)}`, `write node --import ${ENTRY} --test`)
    else {
      const loaded = loadNamed(project, root, name)
      evidence.unclear.push(...(loaded?.problems ?? []))
      for (const source of loaded?.sources ?? []) {
        if (!imports(source, ENTRY)) continue
        evidence.on.push(`${source.file} imports '${ENTRY}'`)
        readMode(settingsOf(source), evidence)
      }
    }
  }
  if (run.after.includes('--test-force-exit')) {
    evidence.notes.add(`--test-force-exit in ${where} hides what keeps the run alive`)
  }
}

/** Node runs each file in a separate process, so an import counts for that file only. */
function readTestFiles(project: Project, evidence: Evidence): void {
  const files = testFilesWith(project, ENTRY)
  if (files.length === 0) return
  evidence.on.push(`${files[0]} imports '${ENTRY}'`)
  evidence.notes.add(`only files that import '${ENTRY}' are checked, such as ${files.join(', ')}`)
}

/** The script of the project with the option added. */
function advice(runs: readonly Command[]): Conclusion['advice'] {
  const [run] = runs
  if (run === undefined) return { add: [`"test": "node --import ${ENTRY} --test"`], addTo: `"scripts" in ${MANIFEST}` }
  const text = run.text.replace(/\b(node|tsx)(?=\s(?:[^&|;]*\s)?--test)/, `$1 --import ${ENTRY}`)
  return { add: [`${JSON.stringify(run.script)}: ${JSON.stringify(text)}`], addTo: `"scripts" in ${MANIFEST}` }
}
