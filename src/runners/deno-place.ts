import { portsideError } from '../errors.js'
import { checkPlace, misplaced } from './right-place.js'
import { denoTest, isDenoTest } from './this-runner.js'

/** Throws ERR_PORTSIDE_UNSUPPORTED if `deno test` does not run this file, or has no hooks. */
export function checkDeno(test = denoTest()): void {
  checkPlace('deno', 'deno test', true)
  if (isDenoTest(test)) return
  const because =
    test === undefined
      ? 'this runtime is not Deno'
      : typeof test.beforeEach === 'function'
        ? 'deno test does not run this file: without it, Deno.test() does nothing'
        : 'this version of Deno has no Deno.test.beforeEach()'
  throw misplaced('deno', because, "import 'portside/deno' in a test file, and run deno test, of Deno 2.5 or newer")
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
