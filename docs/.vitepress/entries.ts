import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '../..')

/** An entry of the package that has types. */
export interface Entry {
  /** As a user imports it: `portside/vitest`. */
  readonly name: string
  /** The path of its source below the root. */
  readonly source: string
}

/** The entries in `exports` of package.json that have types. tsconfig.json says where their sources are. */
export function publicEntries(): Entry[] {
  const { exports } = readJson('package.json') as { exports: Record<string, unknown> }
  const { paths } = (readJson('tsconfig.json') as { compilerOptions: { paths: Record<string, string[]> } })
    .compilerOptions
  return Object.entries(exports)
    .filter(([, target]) => typeof target === 'object')
    .map(([path]) => {
      const name = `portside${path.slice(1)}`
      const [source] = paths[name] ?? []
      if (source === undefined) throw new Error(`tsconfig.json has no path for the entry ${name}`)
      return { name, source }
    })
}

/** The file of an entry's page in the reference, without `.md`: `portside-vitest-plugin`. */
export const fileOfEntry = (name: string): string => name.replaceAll('/', '-')

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(join(root, file), 'utf8'))
}
