import { portsideError } from '../errors.js'
import { checkPlace, misplaced } from './right-place.js'
import { type DenoTest, denoTest, isDenoTest } from './this-runner.js'

/** Throws ERR_PORTSIDE_UNSUPPORTED if `deno test` does not run this file, or reports too little. */
export function checkDeno(): void {
  checkPlace('deno', 'deno test', true)
  const because = whyNotDeno(denoTest(), process.versions.deno)
  if (because === undefined) return
  throw misplaced('deno', because, "import 'portside/deno' in a test file, and run deno test, of Deno 2.8 or newer")
}

/** Why the check cannot run here; undefined if it can. */
export function whyNotDeno(test: DenoTest | undefined, version: string | undefined): string | undefined {
  if (test === undefined) return 'this runtime is not Deno'
  // Deno 2.5 has the hooks. 2.8 is the first that publishes the diagnostics channels of node:net, by a trial of each.
  const [major = 0, minor = 0] = version?.split('.').map(Number) ?? []
  if (major < 2 || (major === 2 && minor < 8)) return `Deno ${version} does not report the sockets of Node's modules`
  return isDenoTest(test) ? undefined : 'deno test does not run this file: without it, Deno.test() does nothing'
}

/** The part of Deno that shows its permissions (https://docs.deno.com/api/deno/permissions). */
interface Permissions {
  querySync(asked: { name: 'env' }): { readonly state: string }
}

/**
 * Throws ERR_PORTSIDE_UNSUPPORTED if Deno does not permit to read the environment: the mode, the announcement, the temporary directory and
 * the variables of GitHub. Each test would fail with an error of Deno.
 */
export function checkPermissions(
  permissions = (globalThis as { Deno?: { permissions?: Permissions } }).Deno?.permissions,
): void {
  if (permissions === undefined || permissions.querySync({ name: 'env' }).state === 'granted') return
  throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline: 'Cannot check for leaks',
    because: 'Deno does not permit to read the environment',
    next: 'run deno test with --allow-env, --allow-read and --allow-net, or with --allow-all',
  })
}
