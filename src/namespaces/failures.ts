import { portsideError } from '../errors.js'

export const ASKED = 'make a private network'

/** ERR_PORTSIDE_NAMESPACE for a step that failed. */
export function failed(asked: string, actual: string, cause?: unknown): Error {
  const [, next] = ADVICE.find(([sign]) => sign.test(actual)) ?? []
  return portsideError('ERR_PORTSIDE_NAMESPACE', {
    headline: `Cannot ${asked}`,
    actual,
    next: next ?? 'see ip(8) and ip-sysctl, or leave it out of the profile',
    cause,
  })
}

const ADVICE: ReadonlyArray<readonly [RegExp, string]> = [
  [/Read-only file system/, 'give the container a writable /proc/sys, or leave this out of the profile'],
  [
    /Unknown device type|not supported/,
    'load the kernel module that it needs on the machine (modprobe veth bridge), or skip the test',
  ],
  [/fork|EAGAIN|EMFILE|unavailable/, 'end other programs, or raise the limit of processes or open files'],
  [/no answer within/, 'run it by hand to see what it waits for, as root or in `unshare --user --map-root-user --net`'],
]

/** ERR_PORTSIDE_UNSUPPORTED: private networks are not possible here. */
export function unsupported(because: string): Error {
  return portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline: `Cannot ${ASKED}`,
    because,
    next: 'allow user namespaces for this user or container, or skip the test with this reason',
  })
}
