import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { invalidArgument } from '../errors.js'
import { checkProfile, type HostProfile } from '../namespaces/profile.js'
import { namespaceSupport } from '../namespaces/support.js'

/** What starts a worker process: `child_process.spawn()`, or the one of a private host. */
export type Spawn = (command: string, args: readonly string[], options: SpawnOptions) => ChildProcess

/** Whether to run workers without private networks where there are none. */
export type Fallback = 'throw' | 'workers'

/** Throws for a profile that no host could have, and for a fallback that there is not. */
export function checkWorkers(profile: HostProfile, fallback: string, fallbacks: readonly string[]): void {
  checkProfile(profile)
  if (fallbacks.includes(fallback)) return
  throw invalidArgument(
    'ERR_INVALID_ARG_VALUE',
    'fallback',
    fallbacks.map((name) => `'${name}'`).join(' or '),
    fallback,
  )
}

/** Why workers are to run without private networks, as the user has allowed; undefined where they have some, or fail. */
export async function whyWithoutNetworks(fallback: Fallback): Promise<string | undefined> {
  if (fallback === 'throw') return undefined
  const support = await namespaceSupport()
  if (support.supported) return undefined
  return `portside: workers run without private networks, in the network of this machine: ${support.reason}`
}
