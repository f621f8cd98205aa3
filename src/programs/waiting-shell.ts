import type { ChildProcess } from 'node:child_process'
import type { Duplex } from 'node:stream'
import { infrastructure } from '../sockets/infrastructure.js'
import { turn } from '../timers.js'

export const SHELL = '/bin/sh'

/**
 * A shell that waits, and then becomes a program, which gets its pid (execve(2)). It waits for a line on the descriptor after
 * the program's. If that descriptor ends, this process is gone, and the program never runs. While a shell redirects a
 * descriptor, it keeps a copy with close-on-exec set. The program does not get the copy, so its end shows that the program runs.
 */
export function waitingShell(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  sockets: number,
): { readonly file: string; readonly args: readonly string[] } {
  const gate = gateOf(sockets)
  const known = SHELL_VARIABLES.filter((name) => env[name] !== undefined)
  const unknown = SHELL_VARIABLES.filter((name) => env[name] === undefined)
  const script = [
    `read -r PORTSIDE_GO <&${gate} || exit`,
    ...unknown.map((name) => `unset ${name}`),
    ...known.map((name) => `${name}=$1; shift`),
    `{ ${sockets > 0 ? 'LISTEN_PID=$$ ' : ''}exec "$@"; } ${gate}<&-`,
  ]
  const values = known.map((name) => env[name] as string)
  return { file: SHELL, args: ['-c', script.join('\n'), NAME, ...values, ...unspeakable(env), program, ...args] }
}

/** Lets the program run. Resolves when it runs, or to the shell's message if it could not become the program. */
export async function letRun(child: ChildProcess, sockets: number): Promise<string | undefined> {
  const at = gateOf(sockets)
  const gate = infrastructure(child.stdio[at] as Duplex)
  ;(child.stdio as unknown[]).length = at
  let said = ''
  const hear = (text: unknown): void => {
    said += text
  }
  child.stderr?.on('data', hear)
  await new Promise<void>((resolve) => {
    // If the shell is ended meanwhile, this may be reset.
    gate
      .on('error', () => {})
      .once('end', () => gate.destroy())
      .once('close', () => resolve())
    gate.resume().write('\n')
  })
  // Output of the shell may be read after its exit.
  await turn()
  child.stderr?.off('data', hear)
  return said.startsWith(`${NAME}: `)
    ? said
        .slice(NAME.length + 2)
        .replace(/^(line )?\d+: (exec: )?/, '')
        .trim()
    : undefined
}

const gateOf = (sockets: number): number => 3 + sockets

/** Shells begin their messages with this name. */
const NAME = 'portside-start'

/** Variables that shells set: SHLVL by bash(1), the last by the script above. The program gets the user's values. */
const SHELL_VARIABLES = ['PWD', 'OLDPWD', 'SHLVL', 'PORTSIDE_GO']

/**
 * A shell may drop variables whose names are not valid in a shell (POSIX, Shell Command Language 2.5.3). They go through env(1)
 * as arguments.
 */
function unspeakable(env: NodeJS.ProcessEnv): string[] {
  const others = Object.entries(env).filter(([name, value]) => value !== undefined && !/^[A-Za-z_]\w*$/.test(name))
  return others.length === 0 ? [] : ['env', ...others.map(([name, value]) => `${name}=${value}`)]
}
