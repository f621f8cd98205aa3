import { join } from 'node:path'
import { isPortside, whyWrong } from './entries.js'
import type { Project } from './find-project.js'
import { everyToken, isMark, isWord } from './properties.js'
import type { Evidence } from './report.js'
import { type Loaded, loadNamed, type Setting, type Source, sourceFromText, testFiles, textsOf } from './sources.js'
import type { Token } from './tokens.js'

/** Reads `leaks: { mode: 'off' }` and `leaks: 'off'`, at any depth. */
export function readMode(settings: readonly Setting[], evidence: Evidence): void {
  for (const setting of settings) {
    const { key, path, value, source } = setting
    if (key !== 'leaks' && !(key === 'mode' && path.at(-1) === 'leaks')) continue
    const [mode] = value
    if (value.length !== 1 || mode?.kind !== 'text') continue
    if (mode.text === 'off')
      evidence.notes.add(`${source.file} sets the mode of the leak check to 'off', so nothing is checked`)
    if (mode.text === 'warn') {
      evidence.notes.add(
        `${source.file} sets the mode of the leak check to 'warn': leaks are printed, but no test fails`,
      )
    }
  }
}

/** Reports each entry of portside that does nothing in this setting. */
export function rejectEntries(
  setting: Setting,
  evidence: Evidence,
  fixOf: (entry: string) => string,
  isRight = (_entry: string) => false,
): void {
  for (const entry of textsOf(setting)) {
    if (!isPortside(entry) || isRight(entry)) continue
    evidence.off(`${setting.key} in ${setting.source.file} has '${entry}', ${whyWrong(entry)}`, fixOf(entry))
  }
}

/** The files of the project that a setting names, each with its imports. */
export function filesNamed(project: Project, setting: Setting, evidence: Evidence): Loaded[] {
  return textsOf(setting).flatMap((name) => {
    const key = `${setting.source.file} ${name}`
    if (evidence.read.has(key)) return []
    evidence.read.add(key)
    const loaded = isPortside(name) ? undefined : loadNamed(project, setting.source, name)
    for (const problem of loaded?.problems ?? []) evidence.unclear.push(problem)
    return loaded === undefined ? [] : [loaded]
  })
}

/** `exit: true`. In YAML, the value is a list with that string. */
export const isTrue = ({ value }: Setting): boolean =>
  [...everyToken(value)].some((token) => token.kind !== 'group' && token.text === 'true')

export const imports = (source: Source, ...entries: readonly string[]): boolean =>
  source.imports.some(({ from }) => entries.includes(from))

/** Whether a source has this word outside of strings and comments. */
export function hasWord(source: Source, word: string): boolean {
  for (const token of everyToken(source.tokens)) if (isWord(token, word)) return true
  return false
}

/** Notes settings that come from a package, by `...name`, mergeConfig() or extends: portside does not read packages. */
export function readForeign(sources: readonly Source[], evidence: Evidence, isKnown: (name: string) => boolean): void {
  for (const { file, imports: all, tokens } of sources) {
    const merged = new Set(mergedNames(tokens))
    for (const { from, names } of all) {
      if (/^(?:\.|node:)/.test(from) || isPortside(from) || isKnown(from)) continue
      if (!names.some((name) => merged.has(name))) continue
      evidence.unclear.push(`${file} takes settings from '${from}', which portside does not read`)
    }
  }
}

/** The names in `...name` and `mergeConfig(name`. */
function mergedNames(tokens: readonly Token[]): string[] {
  return tokens.flatMap((token, index) => {
    const next = isMark(token, '...') ? tokens[index + 1] : undefined
    if (token.kind !== 'group') return next?.kind === 'word' ? [next.text] : []
    const first = isWord(tokens[index - 1], 'mergeConfig') ? token.items[0] : undefined
    return [...(first?.kind === 'word' ? [first.text] : []), ...mergedNames(token.items)]
  })
}

/** Notes that a configuration names an entry although none of the known settings starts the check. */
export function readMentions(sources: readonly Source[], entries: readonly string[], evidence: Evidence): void {
  if (evidence.check !== 'not set up') return
  for (const { file, tokens } of sources) {
    for (const token of everyToken(tokens)) {
      if (token.kind !== 'text' || !entries.includes(token.text)) continue
      evidence.unclear.push(`${file} names '${token.text}', but portside cannot see which setting that is`)
    }
  }
}

/** The first three test files that import an entry of portside and fit. */
export function testFilesWith(project: Project, entry: string, fits = (_source: Source) => true): string[] {
  const found: string[] = []
  for (const { file, text } of testFiles(project)) {
    if (!text.includes(entry)) continue
    const source = sourceFromText(file, join(project.root, file), text)
    if (imports(source, entry) && fits(source)) found.push(file)
    if (found.length === 3) break
  }
  return found
}
