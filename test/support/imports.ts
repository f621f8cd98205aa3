/** An import of one name, or of none. */
interface Import {
  readonly module: string
  /** Its name in the program. Empty for an import of a module for its effect. */
  readonly local: string
  /** `default`, `*`, or the name that the module exports. Empty for an import of a module for its effect. */
  readonly imported: string
  readonly type: boolean
}

const STATEMENT = /^import\s+(?:(type\s+)?([\w$\s{},*]+?)\s+from\s+)?(['"])([^'"]+)\3;?[ \t]*$/gm

/** The import statements of a program, and its other lines: an empty line stands for each line of an import. */
export function takeImports(code: string): { imports: Import[]; rest: string } {
  const imports: Import[] = []
  const rest = code.replace(STATEMENT, (statement, type: string | undefined, clause = '', _quote, module: string) => {
    imports.push(
      ...(clause === '' ? [{ module, local: '', imported: '', type: false }] : namesOf(clause, module, !!type)),
    )
    return statement.replace(/[^\n]/g, '')
  })
  return { imports, rest }
}

function namesOf(clause: string, module: string, type: boolean): Import[] {
  const [, listed = ''] = /\{([^}]*)\}/.exec(clause) ?? []
  const [, namespace] = /\*\s+as\s+([\w$]+)/.exec(clause) ?? []
  const [, byDefault] = /^([\w$]+)/.exec(clause) ?? []
  const named = listed.split(',').flatMap((item) => {
    const [, ofType, imported, local = imported] = /^\s*(type\s+)?([\w$]+)(?:\s+as\s+([\w$]+))?\s*$/.exec(item) ?? []
    return imported === undefined || local === undefined ? [] : [{ module, local, imported, type: type || !!ofType }]
  })
  return [
    ...(byDefault === undefined ? [] : [{ module, local: byDefault, imported: 'default', type }]),
    ...(namespace === undefined ? [] : [{ module, local: namespace, imported: '*', type }]),
    ...named,
  ]
}

/** Imports that several programs can share. Two that give one name to different things cannot be in it together. */
export class SharedImports {
  readonly #imports = new Map<string, Import>()

  accepts(imports: readonly Import[]): boolean {
    return imports.every((added) => {
      const there = this.#imports.get(keyOf(added))
      return there === undefined || (there.module === added.module && there.imported === added.imported)
    })
  }

  add(imports: readonly Import[]): void {
    for (const added of imports) {
      // One program may import a class for its type only.
      if (this.#imports.get(keyOf(added))?.type !== false) this.#imports.set(keyOf(added), added)
    }
  }

  /** All of them in one line. */
  toString(): string {
    return [...this.#imports.values()].map(statementOf).join('; ')
  }
}

const keyOf = ({ local, module }: Import): string => local || `'${module}'`

function statementOf({ module, local, imported, type }: Import): string {
  if (local === '') return `import '${module}'`
  const keyword = type ? 'import type' : 'import'
  if (imported === 'default') return `${keyword} ${local} from '${module}'`
  if (imported === '*') return `${keyword} * as ${local} from '${module}'`
  return `${keyword} { ${imported === local ? local : `${imported} as ${local}`} } from '${module}'`
}
