import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { codeBlocks } from '../support/code-blocks.js'

/** A section of a page of docs/cookbook: its files, as a reader would copy them into a project. */
export interface Recipe {
  /** `databases/redis`: the page and the heading. */
  readonly name: string
  readonly files: readonly RecipeFile[]
  /** The claims of its page about a copy without one of its lines. */
  readonly claims: readonly Claim[]
}

export interface RecipeFile {
  /** Below the project, with slashes. */
  readonly path: string
  readonly language: string
  readonly code: string
}

export interface Claim {
  /** The code that is left out, with its line. */
  readonly without: string
  /** The report that the page shows, without the frame of the source. */
  readonly report: string
}

const FOLDER = join(import.meta.dirname, '../../docs/cookbook')
/** `sh` is read by people only. */
const KNOWN = ['ts', 'js', 'yaml', 'json', 'sh', 'text']

export function readRecipes(): Recipe[] {
  const pages = readdirSync(FOLDER).filter((page) => page.endsWith('.md') && page !== 'README.md')
  return pages.sort().flatMap((page) => recipesOf(page.replace('.md', ''), readFileSync(join(FOLDER, page), 'utf8')))
}

/** The recipes of a page: each heading of the second level begins one. */
export function recipesOf(page: string, text: string): Recipe[] {
  const [, ...sections] = text.split(/^## /m)
  return sections.map((section) => {
    const heading = section.slice(0, section.indexOf('\n'))
    const slug = heading
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '')
    const blocks = codeBlocks(section)
    const unknown = blocks.find(({ language }) => !KNOWN.includes(language))
    if (unknown) throw new Error(`${page}.md, ${heading}: a block in ${unknown.language || 'no language'}`)
    const files = blocks
      .filter(({ language }) => !['sh', 'text'].includes(language))
      .map(({ language, code }) => ({ path: pathOf(code) ?? `test/${slug}.test.ts`, language, code }))
    return { name: `${page}/${slug}`, files, claims: claimsOf(section) }
  })
}

/** A first line such as `// playwright.config.ts` or `# .gitlab-ci.yml` names the file. */
function pathOf(code: string): string | undefined {
  return /^(?:\/\/|#) (\S+\.\w+)\n/.exec(code)?.[1]
}

/** A paragraph that begins with "Without" and some code, followed by a report. */
function claimsOf(section: string): Claim[] {
  const found = section.matchAll(/^Without `([^`]+)`(?:.+\n)+\n```text\n([\s\S]*?)\n```/gm)
  return [...found].map(([, without = '', report = '']) => ({ without, report }))
}

/** Writes the files of a recipe into a project. */
export function writeRecipe({ files }: Pick<Recipe, 'files'>, project: string): void {
  for (const { path, code } of files) {
    const file = join(project, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, `${code}\n`)
  }
}

/** The test of a recipe without the line of a claim, as a test of its own: `test/without/NAME-0.test.ts`. */
export function withoutLine(recipe: Recipe, index: number): RecipeFile {
  const { without } = recipe.claims[index]!
  const file = recipe.files.find(({ path, code }) => path.startsWith('test/') && code.includes(without))
  if (!file) throw new Error(`${recipe.name}: no test has the line ${without}`)
  const lines = file.code.split('\n')
  const kept = lines.filter((line) => !line.includes(without))
  if (kept.length !== lines.length - 1) throw new Error(`${recipe.name}: several lines have ${without}`)
  const path = file.path.replace(/^test\/(.+)\.test\.ts$/, `test/$1-${index}.without.ts`)
  return { ...file, path, code: kept.join('\n') }
}

/** Whether the output has the report of a claim; numbers of ports, descriptors and processes differ in each run. */
export function shows(output: string, { report }: Claim): boolean {
  const lines = output.split('\n').map(comparable)
  const wanted = report.split('\n').map(comparable)
  return lines.some((_, start) => wanted.every((line, n) => lines[start + n] === line))
}

function comparable(line: string): string {
  return line
    .trimEnd()
    .replace(/(\d|\]):\d{4,5}\b/g, '$1:PORT')
    .replace(/\b(fd|process|pid) \d+/g, '$1 N')
    .replace(/(node_modules\/\S+?):\d+:\d+/g, '$1')
    .replace(/\b\d+ (failed|ms)\b/g, 'N $1')
}
