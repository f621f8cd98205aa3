import { join } from 'node:path'
import { imports, readMode, testFilesWith } from './common.js'
import { isPortside, whyWrong } from './entries.js'
import type { Project } from './find-project.js'
import { type Conclusion, conclude, Evidence, type RunnerReport } from './report.js'
import { type Command, commandsOf, optionValues, runsOf } from './scripts.js'
import { loadNamed, settingsOf, settingsSource } from './sources.js'

const ENTRY = 'portside/deno'
const PRELOAD = `--preload=npm:${ENTRY}`
/** The entry as Deno preloads it, with or without a version. */
const SPECIFIER = /^npm:\/?portside(?:@[^/]+)?(\/.+)?$/
const CONFIGS = ['deno.json', 'deno.jsonc']

/** Reports how a project sets `deno test` up. Undefined if no task and no script runs it. */
export function lookAtDeno(project: Project, env: Conclusion['env']): RunnerReport | undefined {
  const { config, commands } = readTasks(project)
  const runs = runsOf([...project.commands, ...commands], ['deno']).filter(({ after }) => after[0] === 'test')
  if (runs[0] === undefined) return undefined
  const evidence = new Evidence()
  for (const run of runs) {
    for (const name of optionValues(run.after, '--preload', '--import', '--require')) {
      readPreload(project, evidence, `the script '${run.script}'`, name)
    }
  }
  if (evidence.on.length === 0) readTestFiles(project, evidence)
  const { script, text } = runs[0]
  const preloading = text.replace(/\bdeno\s+test\b/, `deno test ${PRELOAD}`)
  const isTask = commands.some((command) => command.script === script)
  const advice = {
    add: [`${JSON.stringify(script)}: ${JSON.stringify(preloading)}`],
    addTo: isTask ? `"tasks" in ${config}` : '"scripts" in package.json',
  }
  return conclude(evidence, { name: 'deno test', config, runs, env, advice })
}

/** Hooks that a test file registers run for that file only. */
function readTestFiles(project: Project, evidence: Evidence): void {
  const files = testFilesWith(project, ENTRY, ({ file }) => DENO_TEST.test(file))
  if (files.length === 0) return
  evidence.on.push(`${files[0]} imports '${ENTRY}'`)
  evidence.notes.add(`only tests of files that import '${ENTRY}' are checked, such as ${files.join(', ')}`)
}

/** The files that `deno test` runs (https://docs.deno.com/runtime/fundamentals/testing). */
const DENO_TEST = /(?:^|[/\\])(?:__tests__[/\\].*|(?:[^/\\]*[._])?test)\.[cm]?[jt]sx?$/

/** The tasks of deno.json: a command, or an object that has one (https://docs.deno.com/runtime/reference/cli/task). */
function readTasks(project: Project): { config: string | undefined; commands: Command[] } {
  for (const config of CONFIGS) {
    const read = project.files.read(join(project.root, config))
    if (read === undefined || 'problem' in read) continue
    const { tasks = {} } = parse(read.text)
    const scripts = Object.entries(tasks).map(([name, task]) => [name, typeof task === 'string' ? task : task?.command])
    return { config, commands: commandsOf(Object.fromEntries(scripts)) }
  }
  return { config: undefined, commands: [] }
}

type Tasks = Readonly<Record<string, string | { readonly command?: string } | null>>

/** Deno reads comments and trailing commas in both files. A broken file has no tasks, and Deno reports it. */
function parse(text: string): { readonly tasks?: Tasks } {
  const plain = text.replace(/("(?:\\.|[^"\\])*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, '$1')
  const strict = plain.replace(/("(?:\\.|[^"\\])*")|,(?=\s*[}\]])/g, '$1')
  try {
    return JSON.parse(strict) as { tasks?: Tasks }
  } catch {
    return {}
  }
}

function readPreload(project: Project, evidence: Evidence, where: string, name: string): void {
  const entry = name.replace(SPECIFIER, 'portside$1')
  if (entry === ENTRY && name !== entry) evidence.on.push(`${where} has '${name}'`)
  else if (entry === ENTRY)
    evidence.off(`${where} has '${name}', which Deno takes for the path of a file`, `write ${PRELOAD}`)
  else if (isPortside(entry)) evidence.off(`${where} has '${name}', ${whyWrong(entry)}`, `write ${PRELOAD}`)
  else {
    const loaded = loadNamed(project, settingsSource('', project.root, {}), name)
    evidence.unclear.push(...(loaded?.problems ?? []))
    for (const source of loaded?.sources ?? []) {
      if (!imports(source, ENTRY)) continue
      evidence.on.push(`${source.file} imports '${ENTRY}'`)
      readMode(settingsOf(source), evidence)
    }
  }
}
