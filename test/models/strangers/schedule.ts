/** A stranger that listens on a program's port, and closes again, at random moments. */
export interface Schedule {
  readonly seed: number
  readonly stranger: {
    readonly kind: 'this process' | 'node' | 'python'
    readonly host: string
    /** When it opens and closes, in milliseconds from the start of the program. Times below 0 are before it. */
    readonly steps: ReadonlyArray<{ readonly at: number; readonly opens: boolean }>
  }
  readonly program: {
    readonly kind: 'node' | 'python'
    readonly host: string
    readonly mode: 'once' | 'retry'
    /** Milliseconds until its first attempt. */
    readonly delay: number
  }
  readonly family: 'IPv4' | 'IPv6'
  /** Milliseconds that the program has. */
  readonly timeout: number
}

export interface Host {
  readonly families: ReadonlyArray<Schedule['family']>
  readonly python: boolean
}

const HOSTS = { IPv4: ['127.0.0.1', '0.0.0.0', '::'], IPv6: ['::1', '::'] } as const
const STRANGERS = ['127.0.0.1', '0.0.0.0', '::1', '::'] as const

/** Longer than any program here needs. */
const PATIENCE = 20_000

/** For a program that cannot listen before its timeout. */
const IMPATIENCE = 800

export function scheduleOf(seed: number, random: () => number, { families, python }: Host): Schedule {
  const upTo = (max: number): number => Math.floor(random() * max)
  const oneOf = <T>(list: readonly T[]): T => list[upTo(list.length)] as T
  const kinds = ['this process', 'node', ...(python ? (['python', 'python'] as const) : [])] as const
  const kind = oneOf(kinds)
  const family = oneOf(families)
  const known = (host: string): boolean => families.includes(host.includes(':') ? 'IPv6' : 'IPv4')
  const program = {
    kind: kind === 'python' && random() < 0.6 ? 'python' : 'node',
    host: oneOf(HOSTS[family].filter(known)),
    mode: random() < 0.7 ? 'retry' : 'once',
    delay: upTo(80),
  } as const
  const stranger = { kind, host: oneOf(STRANGERS.filter(known)), steps: [] as Array<{ at: number; opens: boolean }> }
  let at = random() < 0.4 ? -1 : upTo(150)
  for (let turns = 1 + upTo(3); turns > 0; turns--) {
    stranger.steps.push({ at, opens: true })
    at = Math.max(at, 0) + upTo(200)
    stranger.steps.push({ at, opens: false })
    at += upTo(100)
  }
  const stays = random() < 0.4
  if (stays) stranger.steps.pop()
  const lasting = stays && inTheWay(stranger.host, program.host, HOSTS[family][0])
  return { seed, stranger, program, family, timeout: lasting ? IMPATIENCE : PATIENCE }
}

/** True if a stranger keeps the program from listening, or is reached instead. */
function inTheWay(stranger: string, program: string, endpoint: string): boolean {
  const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::'
  const families = (host: string): string[] => (host === '::' ? ['IPv4', 'IPv6'] : host === '::1' ? ['IPv6'] : ['IPv4'])
  const meets = (one: string, other: string): boolean =>
    families(one).some((family) => families(other).includes(family)) &&
    (one === other || isWildcard(one) || isWildcard(other))
  return meets(stranger, program) || meets(stranger, endpoint)
}
