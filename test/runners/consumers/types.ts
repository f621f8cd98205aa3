import { copyFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Combination, Matrix } from './combination.js'
import { type Project, project, run } from './project.js'

const COMPILERS = ['5.9', '6', '7']
const sources = join(import.meta.dirname, '../../types')

/** Files that are compiled together, like a user's project. */
interface Program {
  readonly file: string
  /** For the option `types`. */
  readonly types: readonly string[]
  /** Files that are not for these types. */
  readonly without?: RegExp
}

const VITEST: readonly Program[] = [
  { file: 'vitest', types: ['node'] },
  { file: 'vitest-setup', types: ['node'] },
  { file: 'vitest-alone', types: ['node'] },
  { file: 'vitest-plugin', types: ['node'] },
]
const JEST_GLOBALS: readonly Program[] = [
  { file: 'jest', types: ['node'] },
  { file: 'jest', types: ['node', 'portside/jest'] },
  { file: 'jest-alone', types: ['node'] },
]
const TYPES_JEST: readonly Program[] = [
  { file: 'jest', types: ['node', 'jest'], without: /^import .* from '@jest\/globals'$/m },
  { file: 'jest-option', types: ['node', 'jest', 'portside/jest'] },
]

/** The types for each runner with each TypeScript. Every declaration is checked. */
export function typeCombinations(
  { folder }: Matrix,
  vitest: Map<string, () => Promise<Project>>,
  jest: Map<string, () => Promise<Project>>,
): Combination[] {
  const aliases = COMPILERS.map((version) => `typescript-${version}@npm:typescript@${version}`)
  const compilers = project(join(folder, 'typescript'), undefined, aliases)
  const combinations = (name: string, made: () => Promise<Project>, programs: readonly Program[]): Combination[] =>
    COMPILERS.map((version) => {
      const needs = name === 'vitest 3.2' && version === '7' ? SKIPPING : undefined
      return {
        name: `${name}, types, TypeScript ${version}`,
        needs,
        async check() {
          const compiler = join((await compilers()).folder, `node_modules/typescript-${version}/bin/tsc`)
          const { folder } = await made()
          const complaints: string[] = []
          for (const program of programs) {
            const files = mkdtempSync(join(folder, 'types-'))
            writeProgram(files, program, needs)
            complaints.push(await run(process.execPath, [compiler, '--project', files, '--pretty', 'false'], folder))
          }
          return complaints.filter((text) => text !== '')
        },
      }
    })
  return [
    ...[...vitest].flatMap(([version, made]) => combinations(`vitest ${version}`, made, VITEST)),
    ...[...jest].flatMap(([version, made]) => [
      ...combinations(`jest ${version}, @jest/globals`, made, JEST_GLOBALS),
      ...combinations(`jest ${version}, @types/jest`, made, TYPES_JEST),
    ]),
  ]
}

/** Vitest 3.2 and @types/chai both declare Chai.Assert.containSubset, one as a property, the other as a method. */
const SKIPPING = "skipLibCheck, for Vitest's own"

/** As an ES module and as CommonJS, because each has its own declarations, and a project may have both. */
function writeProgram(target: string, program: Program, needs: string | undefined): void {
  const text = readFileSync(join(sources, `${program.file}.ts`), 'utf8').replace(program.without ?? '', '')
  for (const ending of ['mts', 'cts']) writeFileSync(join(target, `${program.file}.${ending}`), text)
  copyFileSync(join(sources, 'exactly.d.ts'), join(target, 'exactly.d.ts'))
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2023',
    strict: true,
    skipLibCheck: needs === SKIPPING,
    noEmit: true,
    types: program.types,
  }
  writeFileSync(join(target, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
}
