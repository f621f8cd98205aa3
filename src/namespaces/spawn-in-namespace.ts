import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { checkBoolean } from '../argument.js'
import { calledBy } from '../caller.js'
import { portsideError } from '../errors.js'
import { programOf } from '../programs/command.js'
import { refuseAborted } from '../signals.js'
import { checkSpawn, PrivateHost, programEnded } from './host.js'
import { checkProfile, type HostProfile } from './profile.js'
import { readSpawn } from './spawn-options.js'

/**
 * The options of `child_process.spawn()`, without `shell`, `uid`, `gid` and `argv0`.
 * @experimental
 */
export interface SpawnInNamespaceOptions extends Omit<SpawnOptions, 'shell' | 'uid' | 'gid' | 'argv0'> {
  /**
   * Whether the program is root inside, and so may change its network. Otherwise it runs as the current user.
   * @default false
   */
  root?: boolean
}

/**
 * Starts a program on its own host: a network namespace with only a loopback interface, as the profile describes it. Linux
 * only. Resolves to its `ChildProcess` when the program runs.
 *
 * Its exit code, signals, standard streams and IPC channel are its own. `pid` and `kill()` refer to the program on this machine.
 * The program has its own pid namespace if the kernel allows it, and then sees another pid.
 *
 * When the program exits, every process that it left on its host is ended. When this process ends, in any way, the program and
 * its host end too. Source: https://man7.org/linux/man-pages/man7/network_namespaces.7.html
 *
 * @throws ERR_PORTSIDE_UNSUPPORTED if private networks are not possible here; `because` says why
 * @throws ERR_PORTSIDE_NAMESPACE if a step fails or does not answer within 10 seconds; `headline` names it
 * @throws ENOENT if the command does not exist
 * @throws EACCES if the command is not executable
 * @throws ABORT_ERR if `signal` aborts
 * @throws ERR_INVALID_ARG_TYPE if an option or a key of the profile has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if an option or a key of the profile has an invalid value
 * @throws ERR_OUT_OF_RANGE if a number is out of range
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```ts
 * import { text } from 'node:stream/consumers'
 * import { namespaceSupport, spawnInNamespace } from 'portside'
 * import { expect } from 'vitest'
 *
 * if ((await namespaceSupport()).supported) {
 *   const child = await spawnInNamespace({ ipv6: false }, 'cat', ['/proc/sys/net/ipv6/conf/lo/disable_ipv6'])
 *   expect(await text(child.stdout!)).toBe('1\n')
 * }
 * ```
 * @see `docs/private-networks.md#spawninnamespace`
 * @experimental
 */
export function spawnInNamespace(
  profile: HostProfile,
  command: string,
  args: readonly string[] = [],
  options: SpawnInNamespaceOptions = {},
): Promise<ChildProcess> {
  return calledBy(spawnInNamespace, () => launchInNamespace(profile, command, args, readSpawn(options)))
}

/** With `terminal`, a signal of the terminal for the whole process group does not end the host before the program exits. */
export async function launchInNamespace(
  profile: HostProfile,
  command: string,
  args: readonly string[],
  options: SpawnInNamespaceOptions,
  { terminal = false } = {},
): Promise<ChildProcess> {
  checkProfile(profile)
  const { root, ...spawning } = options
  const { signal } = options
  checkBoolean('root', root)
  checkSpawn(command, args, options)
  const asked = `start ${command} in a private network`
  programOf(command, args, options, asked)
  refuseAborted(signal, asked)
  const host = await PrivateHost.start(profile, { signal, ...(root === undefined ? {} : { root }) })
  try {
    const child = host.spawn(command, args, spawning)
    child.once('exit', () => {
      void (terminal ? programEnded(child) : Promise.resolve()).then(() => host.close())
    })
    await running(child, asked)
    return child
  } catch (error) {
    await host.close()
    throw error
  }
}

/** Resolves when the system has started the program. Node reports a failure by an event. */
function running(child: ChildProcess, asked: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      const error = {
        headline: `Cannot ${asked}: start nsenter`,
        cause,
        actual: cause.message,
        next: 'end other programs first',
      }
      reject(cause.name === 'AbortError' ? cause : portsideError('ERR_PORTSIDE_NAMESPACE', error))
    }
    child.once('error', fail)
    child.once('spawn', () => {
      child.off('error', fail)
      resolve()
    })
  })
}
