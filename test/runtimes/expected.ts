/** A feature that does not work under a runtime. */
export interface Exception {
  /** The runtimes: the beginning of their names. */
  readonly runtimes: readonly string[]
  /** `area: name`. */
  readonly feature: string
  readonly outcome: 'unsupported' | 'failed'
  /** Why, as the documentation says it. */
  readonly reason: string
  /** Only then is it expected. */
  readonly when?: () => boolean
}

const EVERY = ['Node', 'Bun', 'Deno']

/** Everything else works. */
export const EXCEPTIONS: readonly Exception[] = [
  {
    runtimes: EVERY,
    feature: 'endpoints: privilegedEndpoint',
    outcome: 'unsupported',
    reason: 'a user who is root may bind each port',
    when: () => process.getuid?.() === 0,
  },
  {
    runtimes: ['Bun'],
    feature: 'programs: spawnListening by descriptor',
    outcome: 'failed',
    reason: 'a program in Bun listens on another port instead of descriptor 3',
  },
  {
    runtimes: ['Deno'],
    feature: 'programs: spawnListening by descriptor',
    outcome: 'unsupported',
    reason: 'a program in Deno cannot listen on a descriptor',
  },
  {
    runtimes: ['Bun'],
    feature: 'endpoints: unresponsiveEndpoint',
    outcome: 'unsupported',
    reason: 'Bun ignores `backlog`',
  },
  {
    runtimes: ['Deno'],
    feature: 'endpoints: unassignedEndpoint',
    outcome: 'unsupported',
    reason: '`node:net` of Deno reports EADDRNOTAVAIL as EINVAL',
  },
  {
    runtimes: ['Bun', 'Deno'],
    feature: 'errors: fillSendBuffer',
    outcome: 'unsupported',
    reason: 'the runtime does not say how many bytes the kernel has not taken',
  },
  {
    runtimes: ['Deno'],
    feature: 'tables: exhaustion of the ephemeral range',
    outcome: 'failed',
    reason: '`node:net` of Deno reports EADDRNOTAVAIL as EINVAL',
  },
]
