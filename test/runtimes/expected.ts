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
]
