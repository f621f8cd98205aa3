import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    packed: Packed
  }
}

/** The package as users get it; a test reads it by `inject('packed')`. */
export interface Packed {
  tarball: string
  /** What is in it, as paths with slashes. */
  files: string[]
  /** Bytes of the tarball, and of its files. */
  size: number
  unpackedSize: number
}

/** Builds the package where its build is older than its sources, and packs it. */
export default async function pack(project: TestProject): Promise<() => void> {
  const root = join(import.meta.dirname, '../..')
  if (!isBuilt(root)) await npm(['run', 'build'], root)
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

/** Installs the package into a project without the network: its dependencies are links to those of this checkout. */
export async function installPacked({ tarball }: Packed, project: string): Promise<void> {
  const root = join(import.meta.dirname, '../..')
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const folders = Object.keys(dependencies).map((name) => join(root, 'node_modules', name))
  const options = ['--offline', '--no-audit', '--no-fund', '--no-package-lock', '--omit=peer']
  await npm(['install', ...options, tarball, ...folders], project)
}

/** Runs npm and gives what it printed. npm is a script that Windows runs through its shell only. */
export async function npm(args: string[], cwd: string): Promise<string> {
  const options = { cwd, shell: process.platform === 'win32', maxBuffer: 2 ** 26 }
  const { stdout } = await promisify(execFile)('npm', args, options)
  return stdout
}

function isBuilt(root: string): boolean {
  const outputs = ['index.js', 'index.cjs', 'index.d.ts', 'index.d.cts'].map((name) => join(root, 'dist', name))
  if (!outputs.every((output) => existsSync(output))) return false
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).map((name) => join('src', name))
  const inputs = [...sources, 'src', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsup.config.ts']
  const written = (path: string): number => statSync(path).mtimeMs
  return Math.max(...inputs.map((name) => written(join(root, name)))) < Math.min(...outputs.map(written))
}
