import { filesNamed, imports, readMode, rejectEntries } from './common.js'
import { isPortside, whyWrong } from './entries.js'
import type { Project } from './find-project.js'
import { isWord } from './properties.js'
import type { Evidence } from './report.js'
import { type Setting, type Source, settingsOf, textsOf, valueTokens } from './sources.js'
import type { Token } from './tokens.js'

export const SETUP = 'portside/vitest/setup'
export const PLUGIN = 'portside/vitest/plugin'
const FIX = `write setupFiles: ['${SETUP}']`

/** Reads settings of Vitest that concern the leak check. */
export function readSettings(project: Project, settings: readonly Setting[], evidence: Evidence): void {
  readMode(settings, evidence)
  for (const setting of settings) {
    const { key } = setting
    if (key === 'setupFiles') readSetupFiles(project, setting, evidence)
    else if (key === 'plugins') readPlugins(setting, evidence)
    else if (key === 'globalSetup' || key === 'environment') rejectEntries(setting, evidence, () => FIX)
  }
  const shared = settings.find(({ key, value }) => key === 'isolate' && value.some((token) => isWord(token, 'false')))
  if (shared !== undefined && evidence.on.length > 0 && evidence.on.every((how) => how.includes(' imports '))) {
    // Without isolation Vitest loads a module once for all files of a worker.
    evidence.notes.add(`${shared.source.file} has isolate: false: only the first file of a worker is checked; ${FIX}`)
  }
  const sources = new Set(settings.map(({ source }) => source))
  for (const source of sources) {
    const names = pluginNames(source)
    if (evidence.check !== 'not set up' || names.length === 0 || names.some((name) => isCalled(source.tokens, name)))
      continue
    evidence.off(`${source.file} imports '${PLUGIN}' but does not use it`, `write plugins: [${names[0]}()]`)
  }
}

function readSetupFiles(project: Project, setting: Setting, evidence: Evidence): void {
  const { source, isOutermost, path } = setting
  const where = `setupFiles in ${source.file}`
  const texts = textsOf(setting)
  if (isOutermost && path.length === 0 && texts.some(isPortside)) {
    evidence.off(`${where} is outside test, where Vitest does not read it`, `write test: { setupFiles: ['${SETUP}'] }`)
    return
  }
  if (texts.includes(SETUP)) evidence.on.push(`${where} has '${SETUP}'`)
  if (texts.includes('portside/vitest')) {
    evidence.on.push(`${where} has 'portside/vitest'`)
    evidence.notes.add(`'portside/vitest' works in setupFiles; '${SETUP}' is the entry for it`)
  }
  rejectEntries(
    setting,
    evidence,
    () => FIX,
    (entry) => entry === SETUP || entry === 'portside/vitest',
  )
  for (const { sources } of filesNamed(project, setting, evidence)) readSetupFile(sources, evidence)
  const unread = setting.value.some(
    (token) =>
      token.kind === 'word' &&
      source.imports.some(({ from, names }) => !from.startsWith('.') && names.includes(token.text)),
  )
  if (unread && evidence.check === 'not set up' && !texts.length)
    evidence.unclear.push(`${where} comes from a package, which portside does not read`)
}

/** Reads a setup file of the project and its imports. */
function readSetupFile(sources: readonly Source[], evidence: Evidence): void {
  const [first] = sources
  for (const source of sources) {
    const { file } = source
    readMode(settingsOf(source), evidence)
    const wrong = source.imports.find(({ from }) => isPortside(from) && WRONG_IN_SETUP.has(from))
    if (imports(source, SETUP)) evidence.on.push(`${first?.file ?? file} imports '${SETUP}'`)
    else if (imports(source, 'portside/vitest')) {
      if (isInstalled(source)) evidence.on.push(`${file} calls install()`)
      else if (evidence.on.length === 0)
        evidence.off(`${file} imports 'portside/vitest' but does not call install()`, `import '${SETUP}' there`)
    } else if (wrong)
      evidence.off(`${file} imports '${wrong.from}', ${whyWrong(wrong.from)}`, `import '${SETUP}' there`)
  }
}

const WRONG_IN_SETUP = new Set([
  'portside/jest',
  'portside/mocha',
  'portside/node-test',
  'portside/jest-environment',
  PLUGIN,
])

/** Whether the source calls install(), by that name or by the name that the import gives it. */
function isInstalled({ tokens, imports: all }: Source): boolean {
  const names = all.flatMap(({ from, names }) => (from === 'portside/vitest' && names.includes('install') ? names : []))
  return ['install', ...names].some((name) => name !== 'test' && name !== 'it' && isCalled(tokens, name))
}

/** `name(...)`, at any depth. */
export function isCalled(tokens: readonly Token[], name: string): boolean {
  return tokens.some((token, index) => {
    if (token.kind !== 'group') return false
    const before = tokens[index - 1]
    return (token.open === '(' && before?.kind === 'word' && before.text === name) || isCalled(token.items, name)
  })
}

const pluginNames = ({ imports: all }: Source): string[] =>
  all.flatMap(({ from, names }) => (from === PLUGIN ? names.filter((name) => name !== 'default') : []))

function readPlugins(setting: Setting, evidence: Evidence): void {
  const { source, value, path } = setting
  const values = [
    value,
    ...[...valueTokens(source, value)].flatMap((token) => (token.kind === 'group' ? [token.items] : [])),
  ]
  for (const name of pluginNames(source)) {
    if (!values.some((tokens) => tokens.some((token) => token.kind === 'word' && token.text === name))) continue
    const where = `plugins: [${name}()] in ${source.file}`
    if (path.at(-1) === 'test')
      evidence.off(`${where} is inside test, where Vite does not read it`, 'move plugins out of test')
    else if (values.some((tokens) => isCalled(tokens, name))) evidence.on.push(where)
    else evidence.off(`plugins in ${source.file} has ${name} instead of ${name}()`, `write plugins: [${name}()]`)
  }
  const fix = `import portside from '${PLUGIN}' and write plugins: [portside()]`
  rejectEntries(
    setting,
    evidence,
    () => fix,
    (entry) => imports(source, entry),
  )
}
