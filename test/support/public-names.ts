import { readFileSync } from 'node:fs'
import { join, posix } from 'node:path'

// The sources are read as text, in the form that the formatter gives them. The compiler needs seconds for the same answer.

/** Where a public name is declared, and what it is called there. `file` is a path below src/, or the name of a package. */
export interface Declaration {
  file: string
  name: string
}

const src = join(import.meta.dirname, '../../src')
const KEYWORDS = '(?:declare |abstract |async )*(?:class|const|function\\*?|interface|type) '

/** The names that a file exports, types included, with their declarations. A default export is `default`. */
export function exportsOf(file: string): Map<string, Declaration> {
  const text = read(file)
  const names = new Map<string, Declaration>()
  for (const [line, rest = ''] of text.matchAll(/^export ((?:type )?\{[^}]*\}.*|.*)/gm)) {
    const [, list, from] = /^(?:type )?\{([^}]*)\}(?: from '(.+)')?/.exec(rest) ?? []
    const [, all] = /^\* from '(.+)'/.exec(rest) ?? []
    const [, byDefault, declared] = new RegExp(`^(default )?(?:${KEYWORDS})?([\\w$]+)`).exec(rest) ?? []
    if (list !== undefined) {
      for (const [name, local] of itemsOf(list)) {
        names.set(name, from === undefined ? declarationIn(file, local) : declarationBehind(file, from, local))
      }
    } else if (all !== undefined) {
      for (const [name, declaration] of exportsOf(fileOf(file, all))) names.set(name, declaration)
    } else if (declared !== undefined) {
      names.set(byDefault === undefined ? declared : 'default', declarationIn(file, declared))
    } else throw new Error(`src/${file}: cannot read ${line}`)
  }
  return names
}

/** Whether the doc comment of a declaration has `@experimental`. Undefined for a declaration of another package. */
export function isExperimental({ file, name }: Declaration): boolean | undefined {
  if (!file.endsWith('.ts')) return undefined
  const before = new RegExp(`(?:/\\*\\*((?:(?!\\*/)[^])*)\\*/\\n)?^export (?:default )?${KEYWORDS}${name}\\b`, 'm')
  const found = before.exec(read(file))
  if (found === null) throw new Error(`src/${file}: has no declaration of ${name}`)
  return /^\s*\*? *@experimental\b/m.test(found[1] ?? '')
}

/** The name as it is exported, and as it is called where it comes from. */
function itemsOf(list: string): Array<[name: string, local: string]> {
  const items = list.split(',').map((item) => item.trim().replace(/^type /, ''))
  return items.filter(Boolean).map((item) => {
    const [local = '', name = local] = item.split(' as ')
    return [name, local]
  })
}

/** Of a name as a file knows it: declared there, or imported. */
function declarationIn(file: string, local: string): Declaration {
  for (const [, list = '', from = ''] of read(file).matchAll(/^import (?:type )?\{([^}]*)\} from '(.+)'/gm)) {
    for (const [known, name] of itemsOf(list)) if (known === local) return declarationBehind(file, from, name)
  }
  return { file, name: local }
}

function declarationBehind(file: string, specifier: string, name: string): Declaration {
  if (!specifier.startsWith('.')) return { file: specifier, name }
  const from = fileOf(file, specifier)
  const found = exportsOf(from).get(name)
  if (found === undefined) throw new Error(`src/${file}: ${from} does not export ${name}`)
  return found
}

const fileOf = (file: string, specifier: string): string =>
  posix.join(posix.dirname(file), specifier.replace(/\.js$/, '.ts'))

const texts = new Map<string, string>()

function read(file: string): string {
  const text = texts.get(file) ?? readFileSync(join(src, file), 'utf8')
  texts.set(file, text)
  return text
}
