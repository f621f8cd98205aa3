/**
 * Runs a program to its end and returns its output in this encoding. Throws like `execFileSync()`. `node:child_process` is loaded at
 * the first call, because it takes longer to load than all of portside.
 */
export function outputOf(program: string, args: readonly string[], { encoding, env }: OutputOptions): string {
  return process.getBuiltinModule('node:child_process').execFileSync(program, args, {
    encoding,
    env: env ?? process.env,
    maxBuffer: LARGE,
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
  })
}

export interface OutputOptions {
  readonly encoding: 'utf8' | 'latin1'
  readonly env?: NodeJS.ProcessEnv
}

const LARGE = 64 * 1024 * 1024
