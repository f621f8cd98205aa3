import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { invalidArgument } from '../errors.js'
import { checkProfile, type HostProfile } from '../namespaces/profile.js'
import { namespaceSupport } from '../namespaces/support.js'

/** Starts a worker process: `child_process.spawn()`, or `spawn()` of a private host. */
export type Spawn = (command: string, args: readonly string[], options: SpawnOptions) => ChildProcess

/** Throws if no host can have the profile, or if the fallback is unknown. */
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

/** Why workers run without private networks, if the user allows it; undefined if they have private networks, or if the run is to fail. */
export async function whyWithoutNetworks(fallback: 'throw' | 'workers'): Promise<string | undefined> {
  if (fallback === 'throw') return undefined
  const support = await namespaceSupport()
  if (support.supported) return undefined
  return `portside: workers run without private networks, in the network of this machine: ${support.reason}`
}
