/**
 * Runs a program to its end and gives what it printed, in the encoding asked for. Throws as `execFileSync()` does. Loaded
 * only then: `node:child_process` would take longer to load than all of portside.
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
