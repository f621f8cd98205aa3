import { dirname, join, relative, resolve } from 'node:path'
import type { Files, FileText } from './files.js'
import type { Project } from './find-project.js'
import { type Import, importsOf, variablesOf } from './modules.js'
import { everyToken, type Property, propertiesOf } from './properties.js'
import { type Token, tokensOf } from './tokens.js'
import { yamlSettings } from './yaml.js'

/** A file as text. It is never executed. */
export interface Source {
  /** From the root of the project, with slashes. */
  readonly file: string
  readonly path: string
  readonly tokens: readonly Token[]
  readonly imports: readonly Import[]
  readonly variables: ReadonlyMap<string, readonly Token[]>
}

/** A property, and the file that has it. */
export interface Setting extends Property {
  readonly source: Source
}

/** A file and the files of the project that it imports, the file first. */
export interface Loaded {
  readonly sources: readonly Source[]
  /** Why one of them cannot be read, as a sentence. */
  readonly problems: readonly string[]
}

/** Reads a file of the project once. Returns undefined if the file does not exist. */
export function load(project: Project, path: string): Loaded | undefined {
  const known = LOADED.get(project) ?? new Map<string, Loaded | undefined>()
  LOADED.set(project, known)
  if (!known.has(path)) known.set(path, loadOnce(project, path))
  return known.get(path)
}

const LOADED = new WeakMap<Project, Map<string, Loaded | undefined>>()

function loadOnce(project: Project, path: string): Loaded | undefined {
  const sources: Source[] = []
  const problems: string[] = []
  const seen = new Set<string>()
  const visit = (file: string): boolean => {
    if (seen.has(file) || seen.size >= MOST_FILES) return true
    const found = project.files.read(file)
    // An import of a folder means its index file.
    if (found === undefined || ('isFolder' in found && seen.size > 0)) return false
    seen.add(file)
    const read = sourceOf(project, file, found)
    if ('problem' in read) problems.push(read.problem)
    else {
      sources.push(read)
      for (const { from } of read.imports) if (/^\.\.?\//.test(from)) endings(join(dirname(file), from)).some(visit)
    }
    return true
  }
  return endings(path).some(visit) ? { sources, problems } : undefined
}

/** A configuration imports only a few files. This limit keeps portside from reading a whole application. */
const MOST_FILES = 30

/** Imports omit the extension, or name the `.js` file that is built from a `.ts` file. */
function endings(path: string): string[] {
  const stem = path.replace(/\.([cm]?)js$/, '.$1ts')
  const added = ['.ts', '.js', '.mts', '.mjs', '.cts', '.cjs', '.json', '/index.ts', '/index.js']
  return /\.[cm]?[jt]sx?$|\.json$/.test(path) ? [path, stem] : [path, ...added.map((ending) => path + ending)]
}

/** Reads a file that several files import only once. */
function sourceOf(project: Project, path: string, read: FileText): Source | { problem: string } {
  const known = SOURCES.get(project) ?? new Map<string, Source | { problem: string }>()
  SOURCES.set(project, known)
  const source = known.get(path) ?? parsed(project, path, read)
  known.set(path, source)
  return source
}

const SOURCES = new WeakMap<Project, Map<string, Source | { problem: string }>>()

function parsed(project: Project, path: string, read: FileText): Source | { problem: string } {
  const file = shown(project, path)
  if ('problem' in read) return { problem: `${file} ${read.problem}` }
  if (/\.ya?ml$/.test(path)) return settingsSource(file, path, yamlSettings(read.text))
  const invalid = path.endsWith('.json') && !/[/\\]\.mocharc\.json$/.test(path) ? whyNotJson(read.text) : undefined
  if (invalid !== undefined) return { problem: `${file} is not valid JSON: ${invalid}` }
  return sourceFromText(file, path, read.text)
}

/** Settings without a separate file, such as the settings of Jest in package.json. */
export function settingsSource(file: string, path: string, settings: unknown): Source {
  return sourceFromText(file, path, JSON.stringify(settings) ?? '')
}

export function sourceFromText(file: string, path: string, text: string): Source {
  // Text that begins with a brace is JSON, so it becomes the outermost object.
  const tokens = tokensOf(text.trimStart().startsWith('{') ? `export default ${text}` : text)
  return { file, path, tokens, imports: importsOf(tokens), variables: variablesOf(tokens) }
}

function whyNotJson(text: string): string | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

export const shown = ({ root }: Project, path: string): string => relative(root, path).replaceAll('\\', '/')

export function settingsOf(source: Source, tokens: readonly Token[] = source.tokens): Setting[] {
  return propertiesOf(tokens)
    .slice(0, MOST_SETTINGS)
    .map((property) => ({ ...property, source }))
}

/** A handwritten configuration has far fewer. */
const MOST_SETTINGS = 2000

/** The strings of a value and of the variables that it names. */
export function textsOf({ source, value }: Pick<Setting, 'source' | 'value'>): string[] {
  const texts = [...valueTokens(source, value)].flatMap((token) => (token.kind === 'text' ? [token.text] : []))
  return [...new Set(texts)]
}

/** The tokens of a value and of the variables that it names. */
export function* valueTokens(source: Source, value: readonly Token[], seen = new Set<string>()): Generator<Token> {
  for (const token of everyToken(value)) {
    yield token
    if (token.kind !== 'word' || seen.has(token.text) || seen.size >= MOST_VARIABLES) continue
    const named = source.variables.get(token.text)
    if (named === undefined) continue
    seen.add(token.text)
    yield* valueTokens(source, named, seen)
  }
}

const MOST_VARIABLES = 50

/** Loads a file that a configuration names, relative to its folder, the root of the project or `<rootDir>`. */
export function loadNamed(project: Project, source: Source, name: string): Loaded | undefined {
  const path = name.replace(/^<rootDir>\//, './')
  if (/^[@\w][^:]*$/.test(path) && !/\.[cm]?[jt]s$|\//.test(path)) return undefined
  const folders = new Set([dirname(source.path), project.root])
  for (const folder of folders) {
    const loaded = load(project, resolve(folder, path))
    if (loaded !== undefined) return loaded
  }
  return undefined
}

/** The test files of a project, a few hundred at most. */
export function* testFiles({ root, files }: Project): Generator<{ file: string; text: string }> {
  for (const file of [...namesBelow(root, '', files, { left: MOST_LISTED })].slice(0, MOST_TESTS)) {
    const read = files.read(join(root, file))
    if (read !== undefined && 'text' in read) yield { file, text: read.text }
  }
}

const MOST_LISTED = 400
const MOST_TESTS = 300
const TEST_FILE = /(?:^|[._-])(?:test|spec)\.[cm]?[jt]sx?$|(?:^|\/)(?:tests?|__tests__)\/.*\.[cm]?[jt]sx?$/

function* namesBelow(root: string, below: string, files: Files, budget: { left: number }): Generator<string> {
  if (budget.left-- <= 0) return
  const listing = files.list(join(root, below))
  // A folder with a package.json is another project.
  if (below !== '' && listing.files.includes('package.json')) return
  for (const name of listing.files) if (TEST_FILE.test(below + name)) yield below + name
  for (const name of listing.folders) {
    if (name !== 'node_modules' && !name.startsWith('.')) yield* namesBelow(root, `${below}${name}/`, files, budget)
  }
}
