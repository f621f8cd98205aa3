import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** A runtime for which a program is installed: the program, with the arguments before the file that it runs. */
export interface RuntimeBinary {
  readonly program: string
  readonly args: readonly string[]
}

/** Bun or Deno, by `PORTSIDE_TEST_BUN` or `PORTSIDE_TEST_DENO`, in PATH, or where `npm run runtimes` installs it. Nothing is installed. */
export function runtimeBinary(name: 'bun' | 'deno'): RuntimeBinary | undefined {
  const program = [process.env[`PORTSIDE_TEST_${name.toUpperCase()}`] ?? '', ...inPath(name), ...installed(name)].find(
    (candidate) => candidate !== '' && existsSync(candidate),
  )
  return program === undefined ? undefined : { program, args: name === 'deno' ? ['run', '-A', '--no-lock'] : [] }
}

/** The other versions of Node that `npm run runtimes` has installed, by their major. */
export function nodeBinaries(): ReadonlyMap<string, RuntimeBinary> {
  const found = folders().flatMap(([folder, name]) => {
    const [, major] = /^node-(\d+)$/.exec(name) ?? []
    const program = join(folder, 'node_modules/node/bin/node')
    return major === undefined || !existsSync(program) ? [] : [[major, { program, args: [] }] as const]
  })
  return new Map([...found, [process.versions.node.split('.')[0] as string, { program: process.execPath, args: [] }]])
}

/** Why the tests of a runtime are skipped. */
export const whyNoBinary = (name: 'bun' | 'deno'): string =>
  `no ${name} in PATH, in PORTSIDE_TEST_${name.toUpperCase()}, or installed by npm run runtimes`

const inPath = (name: string): string[] =>
  (process.env.PATH ?? '').split(delimiter).flatMap((folder) => (folder === '' ? [] : [join(folder, name)]))

function installed(name: 'bun' | 'deno'): string[] {
  const [scope, path] = name === 'bun' ? ['@oven', 'bin/bun'] : ['@deno', 'deno']
  return folders()
    .filter(([, of]) => of.startsWith(`${name}-`))
    .flatMap(([folder]) => {
      const packages = join(folder, 'node_modules', scope as string)
      return entriesOf(packages).map((entry) => join(packages, entry, path as string))
    })
}

/** The folders of the cache: `test/runtimes/binaries.ts` fills it. */
function folders(): Array<readonly [path: string, name: string]> {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'portside-runtimes')
  return entriesOf(cache).map((name) => [join(cache, name), name] as const)
}

const entriesOf = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : [])
