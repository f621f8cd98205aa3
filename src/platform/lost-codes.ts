import { type Runtime, runtime } from './runtime.js'

/**
 * Why a runtime reports another code instead of this code of the kernel; undefined if it reports it. Deno's `node:net` has no name for
 * EADDRNOTAVAIL of a TCP socket, and reports EINVAL. `node:dgram` and `Deno.listen()` report it.
 */
export function whyCodeIsLost(code: string, of: Runtime = runtime()): string | undefined {
  return of === 'Deno' && code === 'EADDRNOTAVAIL' ? 'node:net of Deno reports EADDRNOTAVAIL as EINVAL' : undefined
}
