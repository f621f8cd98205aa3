import { readFileSync } from 'node:fs'

/** Why private networks cannot work on this system; undefined if they may. */
export function whyNoPrivateNetworks(platform: NodeJS.Platform = process.platform): string | undefined {
  if (platform === 'linux') return undefined
  return `private networks are network namespaces of Linux (network_namespaces(7)), and this is ${platform}`
}

/**
 * Whether this process may create namespaces directly: it is root of the machine, not of a user namespace, and has the capabilities
 * (capabilities(7)). Other users create a user namespace first (user_namespaces(7)).
 */
export function isRootOfTheMachine(proc = '/proc/self'): boolean {
  try {
    const [inside, outside, count] = readFileSync(`${proc}/uid_map`, 'utf8').trim().split(/\s+/).map(Number)
    if (inside !== 0 || outside !== 0 || count !== EVERYBODY) return false
    const rights = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync(`${proc}/status`, 'utf8'))?.[1] ?? '0'}`)
    return process.geteuid?.() === 0 && NEEDED.every((right) => (rights >> right) & 1n)
  } catch {
    // Without /proc there are no namespaces either.
    return false
  }
}

/** The setting that prevents user namespaces here, if the system shows it. */
export function whyNoUserNamespaces(): string | undefined {
  if (contentOf('/proc/sys/user/max_user_namespaces') === '0') return 'user.max_user_namespaces is 0'
  if (contentOf('/proc/sys/user/max_net_namespaces') === '0') return 'user.max_net_namespaces is 0'
  if (contentOf('/proc/sys/kernel/unprivileged_userns_clone') === '0') return 'kernel.unprivileged_userns_clone is 0'
  if (contentOf('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === '1')
    return 'AppArmor denies user namespaces to programs without a profile (kernel.apparmor_restrict_unprivileged_userns is 1)'
  if (contentOf('/proc/self/status')?.match(/^Seccomp:\s*2/m)) return 'a seccomp filter of the container denies it'
  return undefined
}

/** The limit that a program without CAP_SYS_RESOURCE cannot raise (getrlimit(2)); undefined if it cannot be read. */
export function mostOpenFiles(): number | undefined {
  const limit = /^Max open files +\S+ +(\d+)/m.exec(contentOf('/proc/self/limits') ?? '')?.[1]
  return limit === undefined ? undefined : Number(limit)
}

function contentOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}

/** The number of all user ids: user_namespaces(7), 'the initial user namespace'. */
const EVERYBODY = 4_294_967_295

/** CAP_NET_ADMIN, CAP_SYS_PTRACE to inspect the processes in a namespace, CAP_SYS_ADMIN. */
const NEEDED = [12n, 19n, 21n]
