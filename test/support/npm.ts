import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Runs npm and gives what it printed. npm is a script that Windows runs through its shell only. */
export async function npm(args: string[], cwd: string): Promise<string> {
  const options = { cwd, shell: process.platform === 'win32', maxBuffer: 2 ** 26 }
  const { stdout } = await promisify(execFile)('npm', args, options)
  return stdout
}
