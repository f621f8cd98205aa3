import { join } from 'node:path'
import { imports, readMode, testFilesWith } from './common.js'
import { isPortside, whyWrong } from './entries.js'
import type { Project } from './find-project.js'
import { type Conclusion, conclude, Evidence, type RunnerReport } from './report.js'
import { optionValues, runsOf } from './scripts.js'
import { loadNamed, settingsOf, settingsSource } from './sources.js'

const ENTRY = 'portside/bun'
const CONFIG = 'bunfig.toml'
const FIX = `write preload = ['${ENTRY}'] under [test] in ${CONFIG}`

/** Reports how a project sets `bun test` up. Undefined if no script runs it and, without `others`, no test imports `bun:test`. */
export function lookAtBun(project: Project, env: Conclusion['env'], others: boolean): RunnerReport | undefined {
  const runs = runsOf(project.commands, ['bun']).filter(({ after }) => after[0] === 'test')
  if (runs.length === 0 && (others || testFilesWith(project, 'bun:test').length === 0)) return undefined
  const evidence = new Evidence()
  const { config, names } = readConfig(project, evidence)
  for (const name of names) readPreload(project, evidence, CONFIG, name)
  for (const run of runs) {
    for (const name of optionValues(run.after, '--preload', '-r', '--require', '--import')) {
      readPreload(project, evidence, `the script '${run.script}'`, name)
    }
  }
  if (evidence.on.length === 0) readTestFiles(project, evidence)
  return conclude(evidence, { name: 'bun test', config, runs, env, advice: ADVICE })
}

const ADVICE = { add: ['[test]', `preload = ["${ENTRY}"]`], addTo: CONFIG }

/** The modules that bunfig.toml preloads for `bun test`: `preload` in the table `test` (https://bun.com/docs/runtime/bunfig). */
function readConfig(project: Project, evidence: Evidence): { config: string | undefined; names: string[] } {
  const read = project.files.read(join(project.root, CONFIG))
  if (read === undefined) return { config: undefined, names: [] }
  if ('problem' in read) {
    evidence.unclear.push(`${CONFIG} ${read.problem}`)
    return { config: CONFIG, names: [] }
  }
  const text = read.text.replace(/^\s*#.*$/gm, '')
  const [, table = ''] = /^\s*\[\s*test\s*\]([\s\S]*?)(?=^\s*\[[^\]'"]+\]\s*$|(?![\s\S]))/m.exec(text) ?? []
  const [, value = ''] = /^\s*preload\s*=\s*(\[[\s\S]*?\]|"[^"]*"|'[^']*')/m.exec(table) ?? []
  return {
    config: CONFIG,
    names: Array.from(value.matchAll(/"([^"]*)"|'([^']*)'/g), ([, one, other]) => one ?? other ?? ''),
  }
}

function readPreload(project: Project, evidence: Evidence, where: string, name: string): void {
  if (name === ENTRY) evidence.on.push(`${where} has '${ENTRY}'`)
  else if (name === 'portside/register')
    evidence.notes.add(`'${name}' in ${where} tracks sockets but does not check them`)
  else if (isPortside(name)) evidence.off(`${where} has '${name}', ${whyWrong(name)}`, FIX)
  else {
    const loaded = loadNamed(project, settingsSource(CONFIG, join(project.root, CONFIG), {}), name)
    evidence.unclear.push(...(loaded?.problems ?? []))
    for (const source of loaded?.sources ?? []) {
      if (!imports(source, ENTRY)) continue
      evidence.on.push(`${source.file} imports '${ENTRY}'`)
      readMode(settingsOf(source), evidence)
    }
  }
}

/** Hooks that a test file registers run for that file only. */
function readTestFiles(project: Project, evidence: Evidence): void {
  const files = testFilesWith(project, ENTRY)
  if (files.length === 0) return
  evidence.on.push(`${files[0]} imports '${ENTRY}'`)
  evidence.notes.add(`only tests of files that import '${ENTRY}' are checked, such as ${files.join(', ')}`)
}
