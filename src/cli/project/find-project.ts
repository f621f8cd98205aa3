import { dirname, join } from 'node:path'
import type { Files } from './files.js'
import { type Command, commandsOf } from './scripts.js'
import { yamlSettings } from './yaml.js'

/** The folder of the nearest package.json, and the content of that file. */
export interface Project {
  readonly root: string
  readonly files: Files
  /** Why package.json cannot be used. */
  readonly problem?: string
  readonly name?: string
  readonly dependencies: ReadonlySet<string>
  readonly commands: readonly Command[]
  /** The settings of a runner in package.json. */
  readonly settings: { readonly jest?: unknown; readonly mocha?: unknown }
  /** The folders of its workspaces. A pattern that is more than `folder/*` stays as it is. */
  readonly workspaces: readonly string[]
}

/** Returns undefined if no folder from here upward has a package.json. */
export function findProject(from: string, files: Files): Project | undefined {
  for (let root = from; ; root = dirname(root)) {
    const read = files.read(join(root, MANIFEST))
    if (read !== undefined) {
      const parsed = 'text' in read ? parse(read.text) : { problem: `${MANIFEST} ${read.problem}` }
      return project(root, files, parsed)
    }
    if (root === dirname(root)) return undefined
  }
}

const MANIFEST = 'package.json'

type Parsed = { readonly manifest: Record<string, unknown> } | { readonly problem: string }

function parse(text: string): Parsed {
  try {
    const manifest: unknown = JSON.parse(text)
    if (isRecord(manifest)) return { manifest }
  } catch (error) {
    return { problem: `${MANIFEST} is not valid JSON: ${(error as Error).message}` }
  }
  return { problem: `${MANIFEST} is not a JSON object` }
}

function project(root: string, files: Files, parsed: Parsed): Project {
  const manifest = 'manifest' in parsed ? parsed.manifest : {}
  const { name, jest, mocha } = manifest
  return {
    root,
    files,
    ...('problem' in parsed ? { problem: parsed.problem } : {}),
    ...(typeof name === 'string' && name !== '' ? { name } : {}),
    dependencies: new Set(DEPENDENCIES.flatMap((list) => Object.keys(recordOf(manifest[list])))),
    commands: commandsOf(recordOf(manifest.scripts)),
    settings: { jest, mocha },
    workspaces: workspacesOf(root, files, manifest.workspaces),
  }
}

const DEPENDENCIES = ['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies']

function workspacesOf(root: string, files: Files, given: unknown): string[] {
  const own = Array.isArray(given) ? given : recordOf(given).packages
  const pnpm = files.read(join(root, 'pnpm-workspace.yaml'))
  const patterns = [
    ...(Array.isArray(own) ? own : []),
    ...(pnpm !== undefined && 'text' in pnpm ? (yamlSettings(pnpm.text).packages ?? []) : []),
  ].filter((pattern): pattern is string => typeof pattern === 'string' && !pattern.startsWith('!'))
  const folders = patterns
    .map((pattern) => pattern.replace(/^\.\/|\/$/g, ''))
    .flatMap((pattern) => {
      const [, parent] = /^([^*?{[]+)\/\*$/.exec(pattern) ?? []
      if (parent === undefined) return [pattern]
      const names = files.list(join(root, parent)).folders
      return names
        .map((name) => `${parent}/${name}`)
        .filter((name) => files.read(join(root, name, MANIFEST)) !== undefined)
    })
  return [...new Set(folders)].filter((folder) => folder !== '' && folder !== '.')
}

/** The first of these files that exists, even if it cannot be read. */
export const findFile = ({ files, root }: Project, candidates: readonly string[]): string | undefined =>
  candidates.find((name) => files.read(join(root, name)) !== undefined)

/** The version of a package that this project would load. Undefined if the package is not installed. */
export function installedVersion({ root, files }: Project, name: string): string | undefined {
  for (let folder = root; ; folder = dirname(folder)) {
    const read = files.read(join(folder, 'node_modules', name, MANIFEST))
    if (read !== undefined && 'text' in read) {
      const parsed = parse(read.text)
      const version = 'manifest' in parsed ? parsed.manifest.version : undefined
      return typeof version === 'string' ? version : undefined
    }
    if (folder === dirname(folder)) return undefined
  }
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const recordOf = (value: unknown): Record<string, unknown> => (isRecord(value) ? value : {})
