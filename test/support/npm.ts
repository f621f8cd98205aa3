import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Runs npm. Resolves to its output. On Windows npm is a script that needs a shell. */
export async function npm(args: string[], cwd: string): Promise<string> {
  const options = { cwd, shell: process.platform === 'win32', maxBuffer: 2 ** 26 }
  const { stdout } = await promisify(execFile)('npm', args, options)
  return stdout
}
