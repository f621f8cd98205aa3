import { dirname, join } from 'node:path'
import { filesNamed, hasWord, imports, isTrue, readForeign, readMentions, readMode, rejectEntries } from './common.js'
import { isPortside, whyWrong } from './entries.js'
import type { Project } from './find-project.js'
import { split } from './properties.js'
import { Evidence } from './report.js'
import { type Loaded, load, type Setting, settingsOf, textsOf, valueTokens } from './sources.js'

export const ENVIRONMENT = 'portside/jest-environment'
const FIX = `write testEnvironment: '${ENVIRONMENT}'`

/** Reads a configuration of Jest with its projects. Projects do not inherit the settings around them. */
export function readConfiguration(project: Project, { sources, problems }: Loaded, evidence: Evidence): void {
  const settings = sources.flatMap((source) => settingsOf(source))
  const projects = settings.filter(({ key, path }) => key === 'projects' && path.length === 0).flatMap(projectsOf)
  const shared = readShared(project, { sources, problems })
  if (projects.length === 0) evidence.add(shared)
  else {
    evidence.faults.push(...shared.faults)
    evidence.unclear.push(...problems)
    for (const note of shared.notes) evidence.notes.add(note)
    readProjects(project, projects, shared, evidence)
  }
  readMentions(sources, [ENVIRONMENT], evidence)
}

/** Reads a configuration without its projects. */
function readShared(project: Project, { sources, problems }: Loaded, except = 'projects'): Evidence {
  const evidence = new Evidence()
  evidence.unclear.push(...problems)
  const settings = sources.flatMap((source) => settingsOf(source))
  const own = settings.filter(({ key, path }) => !path.includes('projects') && key !== except)
  readSettings(project, own, evidence)
  readForeign(sources, evidence, (name) => KNOWN_PRESETS.test(name))
  return evidence
}

/** The settings of a project, or its path. */
type Part =
  | { readonly name: string; readonly settings: readonly Setting[] }
  | { readonly path: string; readonly of: Setting }

function projectsOf(projects: Setting): Part[] {
  const { source, value } = projects
  for (const token of valueTokens(source, value)) {
    if (token.kind !== 'group' || token.open !== '[') continue
    return split(token.items).map((tokens, index): Part => {
      const [only] = tokens
      if (only?.kind === 'text') return { path: only.text, of: projects }
      const settings = settingsOf(source, only?.kind === 'word' ? (source.variables.get(only.text) ?? tokens) : tokens)
      const name = settings.find(({ key }) => key === 'displayName')
      return { name: (name && textsOf(name)[0]) ?? `number ${index + 1}`, settings }
    })
  }
  return []
}

function readProjects(project: Project, parts: readonly Part[], shared: Evidence, evidence: Evidence): void {
  const without: string[] = []
  for (const part of parts) {
    const own = new Evidence()
    if ('settings' in part) readSettings(project, part.settings, own)
    else readNamedProject(project, part.path, part.of, own)
    evidence.add(own)
    if (own.check === 'not set up') without.push(`'${'name' in part ? part.name : part.path}'`)
  }
  if (without.length === 0) return
  const names = `${without.length === 1 ? 'project' : 'projects'} ${without.join(', ')}`
  if (evidence.on.length > 0) evidence.notes.add(`the check is not set up in the ${names}`)
  else if (shared.on.length > 0)
    evidence.off(`${shared.on[0]} does not apply to the ${names}`, `${FIX} in each of them`)
}

function readNamedProject(project: Project, name: string, { source }: Setting, evidence: Evidence): void {
  const path = join(dirname(source.path), name.replace(/^<rootDir>\/?/, ''))
  const loaded = /\.(?:[cm]?[jt]s|json)$/.test(name) ? load(project, path) : undefined
  if (loaded !== undefined) evidence.add(readShared(project, loaded))
  else evidence.unclear.push(`${source.file} has the project '${name}', which has its own configuration`)
}

function readSettings(project: Project, settings: readonly Setting[], evidence: Evidence): void {
  readMode(
    settings.filter(({ path }) => path.join('.').startsWith(OPTIONS)),
    evidence,
  )
  readLevel(settings, evidence)
  // At a deeper level the same names have another meaning.
  const own = settings.filter(({ path }) => path.length === 0)
  const environments = own.filter(({ key }) => key === 'testEnvironment')
  for (const environment of environments) readEnvironment(project, environment, evidence)
  for (const setting of own) {
    const { key, source } = setting
    if (key === 'preset') readPreset(project, setting, environments, evidence)
    else if (key === 'setupFilesAfterEnv') readSetupFiles(setting, evidence)
    else if (key === 'setupFiles') {
      const fix = (entry: string): string =>
        entry === 'portside/jest' ? "write setupFilesAfterEnv: ['portside/jest']" : FIX
      rejectEntries(setting, evidence, fix)
    } else if (key === 'globalSetup') rejectEntries(setting, evidence, () => FIX)
    else if (key === 'runner') {
      rejectEntries(
        setting,
        evidence,
        () => "write runner: 'portside/jest-runner'",
        (entry) => entry === 'portside/jest-runner',
      )
    } else if (key === 'testRunner' && textsOf(setting).some((name) => /jasmine2/.test(name))) {
      readJasmine(source.file, environments, evidence)
    } else if (key === 'forceExit' && isTrue(setting)) {
      evidence.notes.add(`forceExit in ${source.file} hides what keeps the run alive`)
    }
  }
  readHost(settings, evidence)
}

const OPTIONS = 'testEnvironmentOptions.portside'

/** The environment rejects options of portside beside the key `portside`. Jest only warns about options at a higher level. */
function readLevel(settings: readonly Setting[], evidence: Evidence): void {
  for (const { key, path, source } of settings) {
    const place = path.join('.')
    if (!(key === 'leaks' || key === 'announce') || !['', 'testEnvironmentOptions'].includes(place)) continue
    const name = place === '' ? key : `${place}.${key}`
    evidence.wrong(
      `${name} in ${source.file} is an option of portside in the wrong place`,
      `write testEnvironmentOptions: { portside: { ${key}: ... } }`,
    )
  }
}

function readEnvironment(project: Project, setting: Setting, evidence: Evidence): void {
  const { source } = setting
  for (const name of textsOf(setting)) {
    if (name === ENVIRONMENT) evidence.on.push(`testEnvironment in ${source.file} is '${ENVIRONMENT}'`)
    else if (isPortside(name)) evidence.wrong(`testEnvironment in ${source.file} is '${name}', ${whyWrong(name)}`, FIX)
  }
  for (const { sources } of filesNamed(project, setting, evidence)) {
    const own = sources.find((one) => imports(one, ENVIRONMENT))
    if (own === undefined) continue
    if (hasWord(own, 'extends') || own.imports.some(({ from, isExported }) => from === ENVIRONMENT && isExported)) {
      evidence.on.push(`${own.file} extends '${ENVIRONMENT}'`)
    } else evidence.unclear.push(`${own.file} imports '${ENVIRONMENT}' but does not extend it`)
  }
}

/** A testEnvironment in the same configuration replaces the environment of the preset. */
function readPreset(project: Project, setting: Setting, environments: readonly Setting[], evidence: Evidence): void {
  const { file } = setting.source
  for (const name of textsOf(setting)) {
    if (name === 'portside' || name === 'portside/jest-preset') {
      const other = environments.flatMap(textsOf).find((one) => one !== ENVIRONMENT)
      if (other === undefined) evidence.on.push(`preset in ${file} is '${name}'`)
      else if (evidence.on.length === 0) {
        evidence.off(
          `testEnvironment in ${file} is '${other}', which replaces the environment of the preset '${name}'`,
          FIX,
        )
      }
    } else if (isPortside(name)) {
      evidence.wrong(`preset in ${file} is '${name}', which Jest cannot find`, "write preset: 'portside'")
    } else if (environments.length === 0) readOtherPreset(project, name, setting, evidence)
  }
}

function readOtherPreset(project: Project, name: string, { source }: Setting, evidence: Evidence): void {
  if (/^(?:<rootDir>|\.)/.test(name)) {
    const loaded = load(project, join(dirname(source.path), name.replace('<rootDir>', '')))
    // Jest does not read the preset of a preset.
    if (loaded !== undefined) evidence.add(readShared(project, loaded, 'preset'))
  } else if (!KNOWN_PRESETS.test(name)) {
    evidence.unclear.push(`preset in ${source.file} is '${name}', a package, which portside does not read`)
  }
}

/** These presets do not set an environment of portside. */
const KNOWN_PRESETS = /^(?:ts-jest|jest-expo|react-native|jest-preset-angular|@babel|@vue\/cli-plugin|jest-puppeteer)/

function readSetupFiles(setting: Setting, evidence: Evidence): void {
  if (textsOf(setting).includes('portside/jest'))
    evidence.notes.add(`setupFilesAfterEnv has 'portside/jest': the matchers are set up`)
  rejectEntries(
    setting,
    evidence,
    () => FIX,
    (entry) => entry === 'portside/jest',
  )
}

/** Only jest-circus reports tests to the environment. */
function readJasmine(file: string, environments: readonly Setting[], evidence: Evidence): void {
  if (!environments.some((one) => textsOf(one).includes(ENVIRONMENT))) return
  evidence.on.length = 0
  evidence.off(
    `testRunner in ${file} is jest-jasmine2, which does not report tests to the environment`,
    'remove testRunner',
  )
}

function readHost(settings: readonly Setting[], evidence: Evidence): void {
  const host = settings.find(({ key, path }) => key === 'host' && path.join('.') === OPTIONS)
  const runner = settings.some((one) => one.key === 'runner' && textsOf(one).includes('portside/jest-runner'))
  if (host === undefined || runner) return
  const found = `testEnvironmentOptions.portside.host in ${host.source.file} has no effect without the runner`
  evidence.wrong(found, "write runner: 'portside/jest-runner'")
}

/** Reads options that scripts pass in some or all runs. */
export function readSwitches(replaced: readonly string[], runs: number, evidence: Evidence): void {
  if (evidence.on.length === 0) return
  for (const one of replaced) {
    if (replaced.length < runs) evidence.notes.add(`${one} replaces testEnvironment, so nothing is checked there`)
    else evidence.off(`${one} replaces testEnvironment`, 'remove --env')
  }
  if (replaced.length > 0 && replaced.length === runs) evidence.on.length = 0
}
