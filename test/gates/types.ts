import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packInto } from '../runners/consumers/project.js'
import { installPacked } from '../support/pack.js'

// Compiles the types of the packed package under node16, from ESM and from CJS. It checks every declaration, even of the packages that
// they import, which takes seconds.

const root = join(import.meta.dirname, '../..')
const consumer = mkdtempSync(join(tmpdir(), 'portside-types-'))
const FILES = ['types-from-esm.mts', 'types-from-cjs.cts', 'types-playwright.mts', 'types-playwright.cts']
const OPTIONS = ['--strict', '--noEmit', '--module', 'node16', '--target', 'es2022', '--types', 'node']

try {
  for (const file of ['package.json', ...FILES, 'types-bun.mts'])
    cpSync(join(root, 'fixtures/projects/packed', file), join(consumer, file))
  await installPacked({ tarball: await packInto(consumer) }, consumer)
  mkdirSync(join(consumer, 'node_modules/@types'), { recursive: true })
  for (const name of ['@types/node', '@playwright', 'bun-types'])
    symlinkSync(join(root, 'node_modules', name), join(consumer, 'node_modules', name), 'junction')
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  await promisify(execFile)(process.execPath, [compiler, ...OPTIONS, '--skipLibCheck', 'false', ...FILES], {
    cwd: consumer,
  })
  // The types of Bun declare globals of their own, and are not checked themselves.
  await promisify(execFile)(process.execPath, [compiler, ...OPTIONS, '--skipLibCheck', 'types-bun.mts'], {
    cwd: consumer,
  })
  console.log('The types compile from ESM and from CJS.')
} catch (error) {
  console.error((error as { stdout?: string }).stdout || error)
  process.exitCode = 1
} finally {
  rmSync(consumer, { recursive: true, force: true })
}
