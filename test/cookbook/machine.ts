import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import net from 'node:net'
import { delimiter, join } from 'node:path'

/** PATH with the programs of PostgreSQL, which Debian and Ubuntu keep out of it. */
export const PATH = [process.env.PATH, ...postgresFolders()].join(delimiter)

/** Why this machine cannot run a recipe. */
export async function missingFor(name: string, all: boolean): Promise<string | undefined> {
  switch (name) {
    case 'databases/redis':
      return missingProgram('redis-server')
    case 'databases/postgresql':
      return missingProgram('initdb') ?? (isRoot() && !hasUser('postgres') ? 'root, and no user postgres' : undefined)
    case 'databases/testcontainers':
      return (await hasDocker()) ? undefined : 'no Docker socket'
    case 'programs/next':
      return all ? undefined : 'installs 340 MB; -- --all runs it'
    case 'programs/npm-start':
    case 'programs/playwright-test':
    case 'ci/github-actions':
    case 'ci/gitlab':
      return process.platform === 'win32' ? 'npm is not a program on Windows' : undefined
    default:
      return undefined
  }
}

/** PostgreSQL does not run as root: what runs a command as its own user then. */
export function asPostgres(command: readonly string[]): string[] {
  if (!isRoot()) return [...command]
  return ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups', ...command]
}

function missingProgram(program: string): string | undefined {
  const { error } = spawnSync(program, ['--version'], { env: { ...process.env, PATH }, stdio: 'ignore' })
  return error ? `no ${program}` : undefined
}

const isRoot = (): boolean => process.getuid?.() === 0

const hasUser = (name: string): boolean => spawnSync('id', [name], { stdio: 'ignore' }).status === 0

async function hasDocker(): Promise<boolean> {
  if (process.env.DOCKER_HOST) return true
  const socket = net.connect('/var/run/docker.sock')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

function postgresFolders(): string[] {
  const folder = '/usr/lib/postgresql'
  try {
    return readdirSync(folder).map((version) => join(folder, version, 'bin'))
  } catch {
    return []
  }
}
