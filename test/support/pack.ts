import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { buildIfOlder } from './build.js'
import { npm } from './npm.js'

declare module 'vitest' {
  interface ProvidedContext {
    packed: Packed
  }
}

/** The package as users get it. A test reads it by `inject('packed')`. */
export interface Packed {
  tarball: string
  /** The paths of its files, with slashes. */
  files: string[]
  /** The bytes of the tarball and of its files. */
  size: number
  unpackedSize: number
}

/** Builds the package if its build is older than its sources, and packs it. */
export default async function pack(project: TestProject): Promise<() => void> {
  const root = join(import.meta.dirname, '../..')
  await buildIfOlder()
  const folder = mkdtempSync(join(tmpdir(), 'portside-pack-'))
  const report = JSON.parse(await npm(['pack', '--json', '--pack-destination', folder], root))
  project.provide('packed', {
    tarball: join(folder, report[0].filename),
    files: report[0].files.map(({ path }: { path: string }) => path),
    size: report[0].size,
    unpackedSize: report[0].unpackedSize,
  })
  return () => rmSync(folder, { recursive: true, force: true })
}

/** Installs the package into a project without a registry: its dependencies are links to this checkout. */
export async function installPacked({ tarball }: Pick<Packed, 'tarball'>, project: string): Promise<void> {
  const root = join(import.meta.dirname, '../..')
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const folders = Object.keys(dependencies).map((name) => join(root, 'node_modules', name))
  const options = ['--offline', '--no-audit', '--no-fund', '--no-package-lock', '--omit=peer']
  await npm(['install', ...options, tarball, ...folders], project)
}
