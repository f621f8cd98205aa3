import { join, resolve } from 'node:path'
import { hasWord, imports, isTrue, readMode } from './common.js'
import { isPortside, whyWrong } from './entries.js'
import { findFile, installedVersion, isRecord, type Project } from './find-project.js'
import { type Conclusion, conclude, Evidence, type RunnerReport } from './report.js'
import { nodeOptions, optionValues, type Run, runsOf } from './scripts.js'
import {
  type Loaded,
  load,
  loadNamed,
  type Setting,
  type Source,
  settingsOf,
  settingsSource,
  textsOf,
} from './sources.js'

const ENTRY = 'portside/mocha'
const FIX = `write require: ['${ENTRY}']`
const MANIFEST = 'package.json'
/** In the order in which Mocha looks for them. Mocha reads only the first. */
const CONFIGS = ['cjs', 'js', 'mjs', 'yaml', 'yml', 'jsonc', 'json'].map((ending) => `.mocharc.${ending}`)

/** Reports how a project sets Mocha up. Undefined if the project does not use Mocha. */
export function lookAtMocha(project: Project, env: Conclusion['env']): RunnerReport | undefined {
  const runs = runsOf(project.commands, ['mocha', '_mocha'])
  const found = findFile(project, CONFIGS)
  const settings = project.settings.mocha
  if (runs.length === 0 && found === undefined && settings === undefined && !project.dependencies.has('mocha')) {
    return undefined
  }
  const version = installedVersion(project, 'mocha')
  const evidence = new Evidence()
  const loaded = configurations(project, runs, found)
  for (const { sources, problems } of loaded) {
    evidence.unclear.push(...problems)
    for (const setting of sources.flatMap((source) => settingsOf(source))) readSetting(project, setting, evidence)
  }
  readRuns(project, runs, evidence)
  if (found !== undefined) readIgnored(project, found, evidence)
  if (version !== undefined && Number.parseInt(version, 10) < 10)
    evidence.notes.add('portside supports Mocha 10 and newer')
  const config = loaded[0]?.sources[0]?.file ?? found ?? (settings === undefined ? undefined : MANIFEST)
  return conclude(evidence, { name: 'mocha', version, config, runs, env, advice: advice(config, loaded) })
}

/** The file that Mocha finds, the files that scripts name, and the settings in package.json. */
function configurations(project: Project, runs: readonly Run[], found: string | undefined): Loaded[] {
  const named = runs.flatMap(({ after }) => optionValues(after, '--config'))
  const isFound = found !== undefined && (named.length < runs.length || runs.length === 0)
  const files = new Set(isFound ? [found, ...named] : named)
  const { mocha } = project.settings
  const inline = isRecord(mocha)
    ? [{ sources: [settingsSource(MANIFEST, join(project.root, MANIFEST), mocha)], problems: [] }]
    : []
  return [...[...files].flatMap((name) => load(project, resolve(project.root, name)) ?? []), ...inline]
}

/** Mocha reads only one configuration. */
function readIgnored(project: Project, found: string, evidence: Evidence): void {
  if (evidence.check !== 'not set up') return
  for (const name of CONFIGS.filter((one) => one !== found)) {
    const own = new Evidence()
    const sources = load(project, join(project.root, name))?.sources ?? []
    for (const setting of sources.flatMap((source) => settingsOf(source))) readSetting(project, setting, own)
    if (own.on.length > 0)
      evidence.off(`${name} sets the check up, but Mocha reads ${found} instead`, `move it to ${found}`)
  }
}

function readSetting(project: Project, setting: Setting, evidence: Evidence): void {
  const { key, path, source } = setting
  if (path.length > 0) return
  const texts = textsOf(setting)
  if (key === 'require' || key === 'r') {
    for (const name of texts) readRequired(project, name, source, `require in ${source.file}`, evidence)
  } else if (NOT_REQUIRING.has(key)) {
    const entry = texts.map((text) => text.replace(/^(?:import|require|r)[= ]/, '')).find(isPortside)
    if (entry !== undefined) evidence.off(`${key} in ${source.file} has '${entry}', where it does not add hooks`, FIX)
  } else if (key === 'exit' && isTrue(setting)) {
    evidence.notes.add(`exit in ${source.file} hides what keeps the run alive`)
  }
}

/** Settings that load a file without adding its root hooks. */
const NOT_REQUIRING = new Set(['import', 'file', 'spec', 'node-option', 'nodeOption', 'n'])

/** Reads a name that `--require` has. */
function readRequired(project: Project, name: string, from: Source, where: string, evidence: Evidence): void {
  if (name === ENTRY) evidence.on.push(`${where} has '${ENTRY}'`)
  else if (isPortside(name)) evidence.off(`${where} has '${name}', ${whyWrong(name)}`, FIX)
  else {
    const loaded = loadNamed(project, from, name)
    evidence.unclear.push(...(loaded?.problems ?? []))
    for (const source of loaded?.sources ?? []) readHooks(source, evidence)
  }
}

/** Reads a file of the project that makes the hooks or passes them on. */
function readHooks(source: Source, evidence: Evidence): void {
  if (!imports(source, ENTRY)) return
  readMode(settingsOf(source), evidence)
  const passes = source.imports.some(({ from, names, isExported }) => from === ENTRY && isExported && isAll(names))
  if (passes || hasExport(source)) evidence.on.push(`${source.file} exports mochaHooks`)
  else {
    const fix = `write export { mochaHooks } from '${ENTRY}', or exports.mochaHooks = install()`
    evidence.off(`${source.file} imports '${ENTRY}' but does not export mochaHooks`, fix)
  }
}

/** `export * from` has no names, `module.exports = require()` has `exports`. */
const isAll = (names: readonly string[]): boolean =>
  names.length === 0 || names.includes('exports') || names.includes('mochaHooks')

/** `exports.mochaHooks =`, `export const mochaHooks =`, `module.exports = { mochaHooks }`. */
const hasExport = (source: Source): boolean =>
  hasWord(source, 'mochaHooks') && (hasWord(source, 'export') || hasWord(source, 'exports'))

function readRuns(project: Project, runs: readonly Run[], evidence: Evidence): void {
  const inAll = evidence.on.length > 0
  const without: string[] = []
  const root = settingsSource(MANIFEST, join(project.root, MANIFEST), {})
  for (const run of runs) {
    const { script, before, after } = run
    const where = `the script '${script}'`
    const own = new Evidence()
    const required = [...optionValues(after, '--require', '-r')].flatMap((value) => value.split(','))
    for (const name of required) readRequired(project, name, root, `--require in ${where}`, own)
    for (const name of preloads([...before, ...nodeOptions(run)], after)) {
      if (isPortside(name) && name !== 'portside/register') {
        own.off(
          `${where} gives '${name}' to Node, where it does not add hooks to Mocha`,
          `write mocha --require ${ENTRY}`,
        )
      }
    }
    if (after.includes('--exit')) own.notes.add(`--exit in ${where} hides what keeps the run alive`)
    if (own.on.length === 0) without.push(`'${script}'`)
    evidence.add(own)
  }
  if (!inAll && evidence.on.length > 0 && without.length > 0) {
    evidence.notes.add(`the check is not set up in the script ${without.join(', ')}`)
  }
}

/** Mocha passes options of Node on. */
const preloads = (node: readonly string[], after: readonly string[]): string[] => [
  ...optionValues(node, '--import', '--require', '-r'),
  ...optionValues(after, '--import'),
]

function advice(config: string | undefined, loaded: readonly Loaded[]): Conclusion['advice'] {
  const settings = loaded.flatMap(({ sources }) => sources.flatMap((source) => settingsOf(source)))
  const existing = settings.filter(({ key, path }) => key === 'require' && path.length === 0).flatMap(textsOf)
  const names = [...existing, ENTRY]
  const list = names.map((name) => JSON.stringify(name)).join(', ')
  if (config === undefined) return { add: [`{ "require": [${list}] }`], addTo: '.mocharc.json' }
  if (/\.ya?ml$/.test(config)) return { add: ['require:', ...names.map((name) => `  - ${name}`)], addTo: config }
  if (config === MANIFEST) return { add: [`"require": [${list}],`], addTo: `"mocha" in ${MANIFEST}` }
  if (/\.jsonc?$/.test(config)) return { add: [`"require": [${list}],`], addTo: config }
  return { add: [`require: [${names.map((name) => `'${name}'`).join(', ')}],`], addTo: config }
}
