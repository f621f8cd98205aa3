import { type ExecFileSyncOptionsWithStringEncoding, execFileSync, spawnSync } from 'node:child_process'
import { node } from './program.js'

// A private network for one program, by util-linux and iproute2, without privileges if the kernel allows it.

const PREPARE = 'ip link set lo up'
const UNSHARE = ['--user', '--map-root-user', '--net', '--', 'sh', '-c']

/** Why a private network is not possible here. Undefined if it is, which is tested by making one. */
export const whyNoNamespace: string | undefined = probe()

/** The command that runs ES module code in a private network, after a shell command that sets it up. */
export function inNamespace(
  setUp: string,
  code: string,
): [string, string[], ExecFileSyncOptionsWithStringEncoding & { stdio: 'pipe' }] {
  const script = [PREPARE, setUp, 'exec "$@"'].filter(Boolean).join(' && ')
  return ['unshare', [...UNSHARE, script, 'sh', ...node(code)], { encoding: 'utf8', stdio: 'pipe' }]
}

/** Runs it until it exits. Resolves to its output. */
export function runInNamespace(setUp: string, code: string): string {
  return execFileSync(...inNamespace(setUp, code))
}

function probe(): string | undefined {
  const { error, status, stderr } = spawnSync('unshare', [...UNSHARE, PREPARE], { encoding: 'utf8' })
  if (error !== undefined) return `unshare cannot be started: ${error.message}`
  return status === 0 ? undefined : `unshare exited with ${status}: ${stderr.trim()}`
}
