import { join, resolve } from 'node:path'
import { imports, testFilesWith } from './common.js'
import { findFile, installedVersion, type Project } from './find-project.js'
import { type Conclusion, conclude, Evidence, type RunnerReport } from './report.js'
import { optionValues, type Run, runsOf } from './scripts.js'
import { type Loaded, load, type Setting, settingsOf, textsOf } from './sources.js'
import { elementsOf, readConfiguration, readProjects } from './vitest-projects.js'
import { isCalled, SETUP } from './vitest-settings.js'

const ENDINGS = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs']
const ofName = (name: string): string[] => ENDINGS.map((ending) => name + ending)
const WORKSPACES = ['vitest.workspace', 'vitest.projects'].flatMap((name) => [...ofName(name), `${name}.json`])

/** Reports how a project sets Vitest up. Undefined if the project does not use Vitest. */
export function lookAtVitest(project: Project, env: Conclusion['env']): RunnerReport | undefined {
  const runs = runsOf(project.commands, ['vitest'])
  const own = findFile(project, ofName('vitest.config'))
  const workspace = findFile(project, WORKSPACES)
  const vite = findFile(project, ofName('vite.config'))
  const isUsed = runs.length > 0 || own !== undefined || workspace !== undefined || project.dependencies.has('vitest')
  const loaded = configurations(project, runs, own ?? vite)
  if (!isUsed && !loaded.some(hasTests)) return undefined

  const version = installedVersion(project, 'vitest')
  const evidence = new Evidence()
  for (const one of loaded) readConfiguration(project, one, evidence)
  if (workspace !== undefined) readWorkspace(project, workspace, version, evidence)
  const config = loaded[0]?.sources[0]?.file ?? own ?? vite ?? workspace
  if (own !== undefined && vite !== undefined) readIgnored(project, own, vite, loaded, evidence)
  readTestFiles(project, evidence)
  if (version !== undefined && /^(?:[0-2]|3\.[01])\./.test(version)) {
    evidence.notes.add('portside supports Vitest 3.2 and newer')
  }
  if (evidence.check === 'not set up' && loaded.some(hasProjects))
    evidence.notes.add('each project needs its own setupFiles, unless it has extends: true')
  return conclude(evidence, { name: 'vitest', version, config, runs, env, advice: advice(config, loaded) })
}

/** The file that Vitest finds, and the files that scripts name. */
function configurations(project: Project, runs: readonly Run[], found: string | undefined): Loaded[] {
  const named = runs.flatMap(({ after }) => optionValues(after, '--config', '-c'))
  const isFound = found !== undefined && (named.length < runs.length || runs.length === 0)
  const names = new Set(isFound ? [found, ...named] : named)
  return [...names].flatMap((name) => load(project, resolve(project.root, name)) ?? [])
}

const hasTests = ({ sources }: Loaded): boolean =>
  sources.some((source) => imports(source, 'vitest/config') || settingsOf(source).some(isTest))
const hasProjects = ({ sources }: Loaded): boolean =>
  sources.some((source) => settingsOf(source).some(({ key, path }) => key === 'projects' && path.at(-1) === 'test'))
const isTest = ({ key, isOutermost, value }: Setting): boolean =>
  key === 'test' && isOutermost && value.some(({ kind }) => kind === 'group')

/** Before Vitest 4 the list of projects is a separate file. */
function readWorkspace(project: Project, file: string, version: string | undefined, evidence: Evidence): void {
  const loaded = load(project, join(project.root, file))
  const [source] = loaded?.sources ?? []
  evidence.unclear.push(...(loaded?.problems ?? []))
  if (source === undefined) return
  const found = new Evidence()
  readProjects(project, elementsOf(source, source.tokens), new Evidence(), found)
  if (Number.parseInt(version ?? '', 10) < 4 || version === undefined) evidence.add(found)
  else if (found.on.length > 0) {
    evidence.off(`Vitest ${version} does not read ${file}`, 'write its projects to test.projects in vitest.config.ts')
  }
}

/** Vitest reads vite.config only if there is no vitest.config. */
function readIgnored(project: Project, own: string, vite: string, loaded: readonly Loaded[], evidence: Evidence): void {
  if (loaded.some(({ sources }) => sources.some(({ file }) => file === vite))) return
  const ignored = load(project, join(project.root, vite))
  const found = new Evidence()
  if (ignored !== undefined) readConfiguration(project, ignored, found)
  if (found.on.length === 0 || evidence.check !== 'not set up') return
  evidence.off(`${vite} sets the check up, but Vitest reads ${own} instead`, `move it to ${own}`)
}

function readTestFiles(project: Project, evidence: Evidence): void {
  if (evidence.check !== 'not set up') return
  const files = testFilesWith(project, 'portside/vitest', ({ tokens }) => isCalled(tokens, 'install'))
  if (files.length > 0) evidence.notes.add(`only files that call install() are checked, such as ${files.join(', ')}`)
}

/** The lines to add to a configuration without portside. */
function advice(config: string | undefined, loaded: readonly Loaded[]): Conclusion['advice'] {
  const settings = loaded.flatMap(({ sources }) => sources.flatMap((source) => settingsOf(source)))
  if (config === undefined) {
    const add = [
      IMPORT,
      "import { defineConfig } from 'vitest/config'",
      '',
      `export default defineConfig({ ${PLUGIN} })`,
    ]
    return { add, addTo: 'vitest.config.mjs' }
  }
  // The plugin is an ES module.
  if (/\.c[jt]s$/.test(config)) return setupFileAdvice(config, settings)
  const existing = settings.find(({ key, path }) => key === 'plugins' && path.length === 0)
  return { add: [IMPORT, existing === undefined ? `${PLUGIN},` : 'portside(), in plugins'], addTo: config }
}

const IMPORT = "import portside from 'portside/vitest/plugin'"
const PLUGIN = 'plugins: [portside()]'

function setupFileAdvice(config: string, settings: ReturnType<typeof settingsOf>): Conclusion['advice'] {
  const existing = settings.find(({ key }) => key === 'setupFiles')
  const files = [...(existing === undefined ? [] : textsOf(existing)), SETUP].map((file) => `'${file}'`).join(', ')
  const line = `setupFiles: [${files}]`
  const hasTest = settings.some(({ key, path }) => key === 'test' && path.length === 0)
  return hasTest ? { add: [`${line},`], addTo: `test in ${config}` } : { add: [`test: { ${line} },`], addTo: config }
}
