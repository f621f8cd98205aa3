import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The names of the package and their sources, as tsconfig.json has them for the type checker. */
export function sourceAliases(): Record<string, string> {
  const root = join(import.meta.dirname, '../..')
  const { paths } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')).compilerOptions
  const aliases = Object.entries(paths as Record<string, string[]>).map(([name, [file = '']]) => [
    name,
    join(root, file),
  ])
  // For Vite a name also matches longer paths, and the first match wins.
  return Object.fromEntries(aliases.sort(([a = ''], [b = '']) => b.length - a.length))
}
