import { readFileSync } from 'node:fs'

/** Why no process can have a network of its own on this system; undefined where it can be tried. */
export function whyNoPrivateNetworks(platform: NodeJS.Platform = process.platform): string | undefined {
  if (platform === 'linux') return undefined
  return `private networks are network namespaces of Linux (network_namespaces(7)), and this is ${platform}`
}

/**
 * Whether this process may make namespaces as it is: root of the machine, and not of a user namespace, with the right to
 * (capabilities(7)). Everybody else makes a user namespace first (user_namespaces(7)).
 */
export function isRootOfTheMachine(proc = '/proc/self'): boolean {
  try {
    const [inside, outside, count] = readFileSync(`${proc}/uid_map`, 'utf8').trim().split(/\s+/).map(Number)
    if (inside !== 0 || outside !== 0 || count !== EVERYBODY) return false
    const rights = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync(`${proc}/status`, 'utf8'))?.[1] ?? '0'}`)
    return process.geteuid?.() === 0 && NEEDED.every((right) => (rights >> right) & 1n)
  } catch {
    // No /proc, so no namespaces by it either.
    return false
  }
}

/** What stands in the way of user namespaces here, as far as the system tells. */
export function whyNoUserNamespaces(): string | undefined {
  if (contentOf('/proc/sys/user/max_user_namespaces') === '0') return 'user.max_user_namespaces is 0'
  if (contentOf('/proc/sys/user/max_net_namespaces') === '0') return 'user.max_net_namespaces is 0'
  if (contentOf('/proc/sys/kernel/unprivileged_userns_clone') === '0') return 'kernel.unprivileged_userns_clone is 0'
  if (contentOf('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === '1')
    return 'AppArmor denies user namespaces to programs without a profile (kernel.apparmor_restrict_unprivileged_userns is 1)'
  if (contentOf('/proc/self/status')?.match(/^Seccomp:\s*2/m)) return 'a seccomp filter of the container denies it'
  return undefined
}

/** The limit that no program without CAP_SYS_RESOURCE can raise (getrlimit(2)); undefined where there is none to be read. */
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

/** All user ids that there are: user_namespaces(7), 'the initial user namespace'. */
const EVERYBODY = 4_294_967_295

/** CAP_NET_ADMIN, CAP_SYS_PTRACE to look at whoever is in a namespace, CAP_SYS_ADMIN. */
const NEEDED = [12n, 19n, 21n]
