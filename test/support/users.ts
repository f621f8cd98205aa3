import { execFile, spawnSync } from 'node:child_process'
import { node } from './program.js'

/** The users who start programs in tests: the current user, and a user without privileges. */
export interface User {
  readonly name: string
  /** The command that runs first and then becomes the program. */
  readonly become: readonly string[]
}

/** In its own user namespace, so it owns the files of the checkout and nothing else. */
const UNPRIVILEGED = ['unshare', '--user', '--map-user=1000', '--map-group=1000', '--']

export const USERS: readonly User[] = [
  { name: 'the user of the tests', become: [] },
  { name: 'a user without privileges', become: UNPRIVILEGED },
]

/** Runs ES module code, with `portside` loaded, as a user. Resolves to the JSON that it prints. `env` is added to its environment. */
export async function runAs<T>({ become }: User, code: string, env: NodeJS.ProcessEnv = {}): Promise<T> {
  const start = `Object.assign(process.env, ${JSON.stringify(env)})\nconst portside = await import(process.env.PORTSIDE)`
  const [program = '', ...args] = [...become, ...node(`${start}\n${code}`)]
  const stdout = await new Promise<string>((resolve, reject) => {
    execFile(program, args, { encoding: 'utf8' }, (error, out, err) =>
      error ? reject(new Error(`${error.message}\n${out}${err}`)) : resolve(out),
    )
  })
  try {
    return JSON.parse(stdout) as T
  } catch {
    throw new Error(`no JSON: ${stdout}`)
  }
}

/** Why a program cannot run without privileges here. Undefined if it can. */
export const whyNotUnprivileged: string | undefined = probe()

function probe(): string | undefined {
  const [program = '', ...args] = [...UNPRIVILEGED, 'id', '-u']
  const { error, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (error !== undefined) return `unshare cannot be started: ${error.message}`
  return stdout.trim() === '1000' ? undefined : `unshare failed: ${stderr.trim()}`
}
