import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { npm } from '../../support/npm.js'
import type { Matrix } from './combination.js'
import { limited } from './limited.js'

/** A project of a user: a folder with its dependencies. */
export interface Project {
  readonly folder: string
  versionOf(name: string): string
}

/** Two at once, because npm waits for the network half of the time. */
const installing = limited(2)

/** Returns a function that copies a project of `fixtures/projects` and installs `packages` there, once, when it is first called. */
export function project(folder: string, fixture: string | undefined, packages: string[]): () => Promise<Project> {
  let made: Promise<Project> | undefined
  const make = async (): Promise<Project> => {
    mkdirSync(folder)
    if (fixture === undefined) writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
    else cpSync(join(import.meta.dirname, '../../../fixtures/projects', fixture), folder, { recursive: true })
    await npm(['install', '--no-audit', '--no-fund', '--no-package-lock', ...packages], folder)
    return {
      folder,
      versionOf: (name) =>
        JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')).version as string,
    }
  }
  return () => (made ??= installing(make))
}

/** Packs portside into the folder. */
export async function packInto(folder: string): Promise<string> {
  const root = join(import.meta.dirname, '../../..')
  const [{ filename }] = JSON.parse(await npm(['pack', '--json', '--pack-destination', folder], root))
  return join(folder, filename)
}

/** The path of a Node of that major version: this Node, or else one from the registry. */
export function nodeVersion({ folder }: Pick<Matrix, 'folder'>, major: string): () => Promise<string> {
  if (process.versions.node.startsWith(`${major}.`)) return async () => process.execPath
  const made = project(join(folder, `node-${major}`), undefined, [`node@${major}`])
  return async () => join((await made()).folder, 'node_modules/node/bin/node')
}

/** The Node for a tool that needs at least that version: this Node, or else one from the registry. */
export function nodeFor({ folder }: Matrix, major: number, minor: number): () => Promise<string> {
  const [ownMajor = 0, ownMinor = 0] = process.versions.node.split('.').map(Number)
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return async () => process.execPath
  return nodeVersion({ folder }, String(major))
}

/** Runs a program until it exits, and returns its output, also if it failed. */
export async function run(command: string, args: string[], cwd: string, env?: NodeJS.ProcessEnv): Promise<string> {
  return (await exitOf(command, args, cwd, env)).output
}

/** The same, with its exit code. */
export async function exitOf(
  command: string,
  args: string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number; output: string }> {
  const options = { cwd, env: { ...process.env, NO_COLOR: '1', ...env }, timeout: 120_000, maxBuffer: 2 ** 26 }
  try {
    const { stdout, stderr } = await promisify(execFile)(command, args, options)
    return { code: 0, output: stdout + stderr }
  } catch (failure) {
    const { code, stdout, stderr } = failure as { code?: unknown; stdout: string; stderr: string }
    if (typeof code === 'number') return { code, output: stdout + stderr }
    throw failure
  }
}
