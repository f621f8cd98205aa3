import { portsideError } from '../errors.js'

export const ASKED = 'make a private network'

/** A step that failed: ERR_PORTSIDE_NAMESPACE. */
export function failed(asked: string, actual: string, cause?: unknown): Error {
  const [, next] = ADVICE.find(([sign]) => sign.test(actual)) ?? []
  return portsideError('ERR_PORTSIDE_NAMESPACE', {
    headline: `Cannot ${asked}`,
    actual,
    next: next ?? 'look it up in ip(8) and ip-sysctl, or leave it out of the profile',
    cause,
  })
}

const ADVICE: ReadonlyArray<readonly [RegExp, string]> = [
  [/Read-only file system/, 'give the container a /proc/sys that can be written, or leave this out of the profile'],
  [
    /Unknown device type|not supported/,
    'load the module of the kernel that it needs on the machine (modprobe veth bridge), or skip the test',
  ],
  [/fork|EAGAIN|EMFILE|unavailable/, 'end other programs, or raise the limit of processes or open files'],
  [/no answer within/, 'see what it waits for: run it by hand, as root or in `unshare --user --map-root-user --net`'],
]

/** There are no private networks here: ERR_PORTSIDE_UNSUPPORTED. */
export function unsupported(because: string): Error {
  return portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline: `Cannot ${ASKED}`,
    because,
    next: 'allow user namespaces to this user or container, or skip the test with this reason',
  })
}
