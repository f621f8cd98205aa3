import { join, resolve } from 'node:path'
import { findFile, installedVersion, isRecord, type Project } from './find-project.js'
import { ENVIRONMENT, readConfiguration, readSwitches } from './jest-settings.js'
import { type Conclusion, conclude, Evidence, type RunnerReport } from './report.js'
import { optionValues, type Run, runsOf } from './scripts.js'
import { type Loaded, load, settingsOf, settingsSource, testFiles, textsOf } from './sources.js'

const CONFIGS = ['.js', '.ts', '.mjs', '.mts', '.cjs', '.cts', '.json'].map((ending) => `jest.config${ending}`)
const MANIFEST = 'package.json'

/** Reports how a project sets Jest up. Undefined if the project does not use Jest. */
export function lookAtJest(project: Project, env: Conclusion['env']): RunnerReport | undefined {
  const runs = runsOf(project.commands, ['jest'])
  const found = findFile(project, CONFIGS)
  const settings = project.settings.jest
  if (runs.length === 0 && found === undefined && settings === undefined && !project.dependencies.has('jest')) {
    return undefined
  }
  const version = installedVersion(project, 'jest')
  const evidence = new Evidence()
  const loaded = configurations(project, runs, found)
  for (const one of loaded) readConfiguration(project, one, evidence)
  readRuns(runs, evidence)
  if (settings !== undefined && found !== undefined) {
    evidence.wrong(`Jest finds settings in ${MANIFEST} and in ${found}, so it does not start`, 'keep one of them')
  }
  if (evidence.on.length > 0) readDocblocks(project, evidence)
  if (version !== undefined && Number.parseInt(version, 10) < 29)
    evidence.notes.add('portside supports Jest 29 and newer')
  const config = loaded[0]?.sources[0]?.file ?? found ?? (settings === undefined ? undefined : MANIFEST)
  return conclude(evidence, { name: 'jest', version, config, runs, env, advice: advice(config, loaded, evidence) })
}

/** The file that Jest finds, the files that scripts name, and the settings in package.json. */
function configurations(project: Project, runs: readonly Run[], found: string | undefined): Loaded[] {
  const named = runs.flatMap(({ after }) => optionValues(after, '--config', '-c'))
  const { jest } = project.settings
  const names = named.filter((name) => !name.startsWith('{'))
  if (named.length < runs.length || runs.length === 0) {
    if (found !== undefined) names.unshift(found)
    // package.json may have a path instead of settings.
    if (typeof jest === 'string') names.push(jest)
  }
  const inline = isRecord(jest)
    ? [{ sources: [settingsSource(MANIFEST, join(project.root, MANIFEST), jest)], problems: [] }]
    : []
  return [...inline, ...[...new Set(names)].flatMap((name) => load(project, resolve(project.root, name)) ?? [])]
}

/** Options of the command line replace options of the configuration. */
function readRuns(runs: readonly Run[], evidence: Evidence): void {
  const replaced: string[] = []
  for (const { after, script } of runs) {
    const [environment] = optionValues(after, '--env', '--testEnvironment', '--environment')
    if (environment === ENVIRONMENT) evidence.on.push(`the script '${script}' has --env ${ENVIRONMENT}`)
    else if (environment !== undefined) replaced.push(`--env ${environment} in the script '${script}'`)
    if (after.includes('--forceExit')) {
      evidence.notes.add(`--forceExit in the script '${script}' hides what keeps the run alive`)
    }
  }
  readSwitches(replaced, runs.length, evidence)
}

/** A comment at the top of a test file replaces the environment of that file. */
function readDocblocks(project: Project, evidence: Evidence): void {
  const files: string[] = []
  for (const { file, text } of testFiles(project)) {
    const [, environment] = /^\s*\/\*\*(?:(?!\*\/)[\s\S]){0,2000}?@jest-environment\s+(\S+)/.exec(text) ?? []
    if (environment !== undefined && environment !== ENVIRONMENT) files.push(file)
    if (files.length === 3) break
  }
  if (files.length > 0)
    evidence.notes.add(`test files with @jest-environment are not checked, such as ${files.join(', ')}`)
}

function advice(config: string | undefined, loaded: readonly Loaded[], evidence: Evidence): Conclusion['advice'] {
  const settings = loaded.flatMap(({ sources }) => sources.flatMap((source) => settingsOf(source)))
  const environments = settings.filter(({ key }) => key === 'testEnvironment').flatMap(textsOf)
  const other = environments.find((name) => /^(?:jest-environment-)?(?:js|happy-)dom$|^@happy-dom/.test(name))
  if (other !== undefined) {
    evidence.notes.add(`the check needs the Node environment, but testEnvironment is '${other}'`)
    return { add: [`/** @jest-environment ${ENVIRONMENT} */`], addTo: 'each test file that opens sockets' }
  }
  if (settings.some(({ key }) => key === 'projects') && evidence.check === 'not set up') {
    evidence.notes.add('each project needs its own testEnvironment')
  }
  if (config === undefined) return { add: ['"jest": { "preset": "portside" }'], addTo: MANIFEST }
  // A configuration can have only one preset.
  const hasPreset = settings.some(({ key, path }) => key === 'preset' && path.length === 0)
  const [name, value] = hasPreset ? ['testEnvironment', ENVIRONMENT] : ['preset', 'portside']
  if (config === MANIFEST) return { add: [`"${name}": "${value}",`], addTo: `"jest" in ${MANIFEST}` }
  return { add: [config.endsWith('.json') ? `"${name}": "${value}",` : `${name}: '${value}',`], addTo: config }
}
