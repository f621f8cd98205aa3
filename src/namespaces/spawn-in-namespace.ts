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
 * Those of `child_process.spawn()`, less `shell`, `uid`, `gid` and `argv0`.
 * @experimental
 */
export interface SpawnInNamespaceOptions extends Omit<SpawnOptions, 'shell' | 'uid' | 'gid' | 'argv0'> {
  /** Whether the program is root in there: it may then change its network. Default: false, the user stays who it is. */
  root?: boolean
}

/**
 * Starts a program on a host of its own: a network namespace with a loopback interface and nothing else, as the profile says.
 * Resolves when the program is started; its exit code, signals, standard streams and IPC channel are its own. `pid` and `kill()` are
 * those of the program on this machine; it has a pid namespace, where the kernel gives one, and sees another pid. What it has left
 * running in there is ended when it ends, and all of it is when this process ends, however that comes.
 *
 * Rejects with ERR_PORTSIDE_UNSUPPORTED and the reason where there are no private networks (`namespaceSupport()`), with
 * ERR_PORTSIDE_NAMESPACE and the step that failed, with ENOENT or EACCES for a program that cannot be run, ABORT_ERR, and
 * ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE or ERR_OUT_OF_RANGE for a profile or options that no host could have.
 *
 * network_namespaces(7), user_namespaces(7): https://man7.org/linux/man-pages/man7/network_namespaces.7.html
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

/** With `terminal`, what a terminal sends to the whole process group ends the program only if the program agrees. */
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

/** Until the system has started it; Node tells what is wrong by an event. */
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
