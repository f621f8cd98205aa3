import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { packInto } from '../runners/consumers/project.js'
import { npm } from '../support/npm.js'
import { once } from './cache.js'
import { FOR_WINDOWS, installForWindows } from './node.js'
import type { Wine } from './wine.js'

const ROOT = join(import.meta.dirname, '../..')

/** The project of a user on drive W:, with the packed package. Vitest is installed once. */
export const CONSUMER = 'project'

export async function installConsumer({ drive }: Wine): Promise<void> {
  const folder = join(drive, CONSUMER)
  await once(folder, 'a project with Vitest for Windows', (made) => installForWindows(made, ['vitest@4']))
  const tarball = await packInto(folder)
  await npm(
    ['install', '--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts', ...FOR_WINDOWS, tarball],
    folder,
  )
  rmSync(tarball)
  cpSync(join(ROOT, 'fixtures/projects/windows'), folder, { recursive: true })
  cpSync(join(ROOT, 'test/runners/compat/node-reporter.mjs'), join(folder, 'node-reporter.mjs'))
  for (const name of ['features', 'features.mjs']) {
    rmSync(join(folder, name), { recursive: true, force: true })
    cpSync(join(ROOT, 'test/runtimes', name), join(folder, name), { recursive: true })
  }
}
