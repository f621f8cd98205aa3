import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { npm } from '../support/npm.js'

/** A runtime, and the program with its first arguments that runs a file under it. */
export interface RuntimeBinary {
  readonly name: string
  /** The installed program. It stays in the cache of the user, because one runtime has up to 200 MB. */
  command(): Promise<readonly [program: string, ...args: string[]]>
}

const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'portside-runtimes')

/** The versions of Bun and Deno that the table of `docs/platforms.md` names. */
export const BUN = '1.4.5'
export const DENO = '2.9.6'

export const RUNTIMES: readonly RuntimeBinary[] = [
  ...['20', '22', '24', '26'].map((major): RuntimeBinary => ({ name: `Node ${major}`, command: () => node(major) })),
  { name: `Bun ${BUN}`, command: async () => [await installed(`bun@${BUN}`, '@oven', 'bin/bun')] },
  {
    name: `Deno ${DENO}`,
    command: async () => [await installed(`deno@${DENO}`, '@deno', 'deno'), 'run', '-A', '--no-lock'],
  },
]

async function node(major: string): Promise<readonly [string]> {
  if (process.versions.node.startsWith(`${major}.`)) return [process.execPath]
  const folder = await install(`node@${major}`, [])
  return [join(folder, 'node_modules/node/bin/node')]
}

/** The program of a package that has one package for each system, as optional dependencies in this scope. */
async function installed(wanted: string, scope: string, path: string): Promise<string> {
  // Without scripts: they only copy the program to another place.
  const folder = join(await install(wanted, ['--ignore-scripts']), 'node_modules', scope)
  const program = readdirSync(folder)
    .flatMap((name) => [join(folder, name, path), join(folder, name, `${path}.exe`)])
    .find((candidate) => existsSync(candidate))
  if (program === undefined) throw new Error(`${wanted} has no program for this system in ${folder}`)
  return program
}

async function install(wanted: string, options: readonly string[]): Promise<string> {
  const folder = join(CACHE, wanted.replace(/\W+/g, '-'))
  if (existsSync(join(folder, 'complete'))) return folder
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  await npm(['install', '--no-audit', '--no-fund', '--no-package-lock', ...options, wanted], folder)
  writeFileSync(join(folder, 'complete'), '')
  return folder
}
