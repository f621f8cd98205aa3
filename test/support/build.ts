import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { npm } from './npm.js'

const root = join(import.meta.dirname, '../..')

/** Builds the package if its build is older than its sources. */
export async function buildIfOlder(): Promise<void> {
  if (!isBuilt()) await npm(['run', 'build'], root)
}

function isBuilt(): boolean {
  const outputs = ['index.js', 'index.cjs', 'index.d.ts', 'index.d.cts'].map((name) => join(root, 'dist', name))
  if (!outputs.every((output) => existsSync(output))) return false
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).map((name) => join('src', name))
  const inputs = [...sources, 'src', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsup.config.ts']
  const written = (path: string): number => statSync(path).mtimeMs
  return Math.max(...inputs.map((name) => written(join(root, name)))) < Math.min(...outputs.map(written))
}

if (process.argv[1] === import.meta.filename && !isBuilt()) {
  console.log('Building portside: dist is missing or older than the sources.')
  try {
    await npm(['run', 'build'], root)
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    console.error(stdout, stderr)
    process.exitCode = 1
  }
}
