import { spawn } from 'node:child_process'

/** How a program ended. */
export interface Ended {
  /** Undefined if the time limit ended it. */
  readonly code: number | undefined
  readonly output: string
}

/** Runs a program in a process group of its own, which a time limit ends as a whole. Rejects if it cannot be started. */
export function runProgram(
  [program, ...args]: readonly [string, ...string[]],
  { seconds, env = process.env }: { readonly seconds: number; readonly env?: NodeJS.ProcessEnv },
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    let late = false
    const timer = setTimeout(() => {
      late = true
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    }, seconds * 1000)
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    child.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code: late ? undefined : (code ?? -1), output })
    })
  })
}

/** Runs it, and rejects with its output unless it exits with 0. */
export async function must(command: readonly [string, ...string[]], seconds: number): Promise<string> {
  const { code, output } = await runProgram(command, {
    seconds,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  if (code !== 0)
    throw new Error(`${command[0]} ${code === undefined ? 'took too long' : 'failed'}: ${output.slice(-2000)}`)
  return output
}
