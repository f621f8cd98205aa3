import fc from 'fast-check'

// A schedule is data: it can be printed as JSON, made again from its seed, and sent to another process.

export const PROTOCOLS = ['http', 'https', 'http-unix', 'h2c', 'h2', 'net', 'tls', 'unix'] as const
export type Protocol = (typeof PROTOCOLS)[number]

/** How the handler answers: immediately, after turns of the event loop, after milliseconds, in chunks, with many bytes, after the body. */
export interface Reaction {
  readonly kind: 'now' | 'turns' | 'ms' | 'stream' | 'large' | 'upload'
  readonly n: number
}

/** Steps of one connection, one after the other; numbers are milliseconds or bytes. */
export type Step =
  | { readonly wait: number }
  /** Requests in one write. `held` bytes of the last head are written `rest` ms later. */
  | { readonly send: readonly Reaction[]; readonly held: number; readonly rest: number }
  | { readonly write: number }
  /** Answers each echo with the next byte, this many times. */
  | { readonly chat: number }
  | { readonly upgrade: number }
  | { readonly pause: number }
  | { readonly answers: true }
  | { readonly end: true }
  | { readonly reset: true }

export type Client = {
  /** True if it runs in another process. */
  readonly foreign: boolean
  /** Milliseconds after the start of the schedule. */
  readonly at: number
} & (
  | { readonly kind: 'steps'; readonly steps: readonly Step[]; readonly allowHalfOpen: boolean }
  /** Connections of a pool, or one session. Each lane keeps sending requests. */
  | {
      readonly kind: 'agent' | 'undici' | 'session'
      readonly lanes: number
      readonly requests: number
      readonly pause: number
      readonly reaction: Reaction
    }
)

export interface Close {
  readonly after: number
  readonly grace: number
  readonly force: 'destroy' | 'reset' | 'reject'
}

export interface Schedule {
  readonly protocol: Protocol
  /** The behaviour of a server of bytes: it echoes, sends bytes immediately, or only reads. */
  readonly serves: 'echo' | 'greeting' | 'nothing'
  readonly clients: readonly Client[]
  /** Milliseconds to the first close() from the start, and to each other from the one before. */
  readonly closes: readonly Close[]
  /** Where in the event loop the first close() is called: in a timer, after it, or in the handler of a request. */
  readonly phase: 'timer' | 'immediate' | 'microtask' | 'request'
  /** Milliseconds after the first close() when its signal is aborted. */
  readonly abort: number | null
}

const few = (max: number) => fc.integer({ min: 0, max })

const reaction: fc.Arbitrary<Reaction> = fc.oneof(
  fc.record({ kind: fc.constant('now' as const), n: fc.constant(0) }),
  fc.record({ kind: fc.constant('turns' as const), n: few(6) }),
  fc.record({ kind: fc.constant('ms' as const), n: few(40) }),
  fc.record({ kind: fc.constant('stream' as const), n: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ kind: fc.constant('large' as const), n: fc.constantFrom(10_000, 100_000, 600_000) }),
  fc.record({ kind: fc.constant('upload' as const), n: fc.constantFrom(1, 5000, 200_000) }),
)

const wait = fc.record({ wait: few(30) })
const pause = fc.record({ pause: few(60) })
const last = [fc.record({ end: fc.constant(true as const) }), fc.record({ reset: fc.constant(true as const) })]

const requestStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      send: fc.array(reaction, { minLength: 1, maxLength: 3 }),
      held: fc.constant(0),
      rest: fc.constant(0),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      send: fc.array(reaction, { minLength: 1, maxLength: 3 }),
      held: fc.integer({ min: 1, max: 60 }),
      rest: few(50),
    }),
  },
  { weight: 2, arbitrary: fc.record({ answers: fc.constant(true as const) }) },
  { weight: 2, arbitrary: wait },
  { weight: 1, arbitrary: pause },
)

const byteStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ write: fc.constantFrom(1, 1000, 300_000) }),
  fc.record({ chat: few(200) }),
  wait,
  pause,
)

/** Most clients do not end their connection themselves. */
function steps(step: fc.Arbitrary<Step>, others: readonly fc.Arbitrary<Step>[]): fc.Arbitrary<Step[]> {
  return fc
    .tuple(fc.array(step, { maxLength: 6 }), fc.option(fc.oneof(...others), { freq: 3 }))
    .map(([first, end]) => (end === null ? first : [...first, end]))
}

const upgrade: fc.Arbitrary<Step> = fc.record({ upgrade: fc.constantFrom(1, 1000, 100_000) })

const common = { foreign: fc.boolean(), at: few(60) }

function client(protocol: Protocol): fc.Arbitrary<Client> {
  const pooled = <K extends 'agent' | 'undici' | 'session'>(kind: K) =>
    fc.record({
      ...common,
      kind: fc.constant(kind),
      lanes: fc.integer({ min: 1, max: 6 }),
      requests: fc.integer({ min: 1, max: 30 }),
      pause: few(3),
      reaction,
    })
  const stepped = (arbitrary: fc.Arbitrary<Step[]>) =>
    fc.record({
      ...common,
      kind: fc.constant('steps' as const),
      steps: arbitrary,
      allowHalfOpen: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.boolean()),
    })
  if (protocol === 'h2c' || protocol === 'h2') return pooled('session')
  if (protocol === 'net' || protocol === 'tls' || protocol === 'unix') return stepped(steps(byteStep, last))
  return fc.oneof(
    { weight: 3, arbitrary: stepped(steps(requestStep, [...last, upgrade, upgrade])) },
    { weight: 1, arbitrary: pooled('agent') },
    { weight: 1, arbitrary: pooled('undici') },
  )
}

const close: fc.Arbitrary<Close> = fc.record({
  after: few(70),
  grace: fc.constantFrom(0, 5, 40, 1000, 3000, 3000, 3000, 3000),
  force: fc.constantFrom('destroy' as const, 'reset' as const, 'reject' as const),
})

export const scheduleOf = (protocol: Protocol): fc.Arbitrary<Schedule> =>
  fc.record({
    protocol: fc.constant(protocol),
    serves: fc.constantFrom('echo' as const, 'echo' as const, 'greeting' as const, 'nothing' as const),
    clients: fc.array(client(protocol), { maxLength: 8 }),
    closes: fc.oneof(
      { weight: 4, arbitrary: fc.array(close, { minLength: 1, maxLength: 1 }) },
      { weight: 1, arbitrary: fc.array(close, { minLength: 2, maxLength: 3 }) },
    ),
    phase: fc.constantFrom('timer' as const, 'immediate' as const, 'microtask' as const, 'request' as const),
    abort: fc.option(few(100), { freq: 8 }),
  })

/** The schedule of a seed, the same each time. */
export function scheduleFrom(seed: number, protocols: readonly Protocol[]): Schedule {
  const [schedule] = fc.sample(fc.constantFrom(...protocols).chain(scheduleOf), { seed, numRuns: 1 })
  return schedule as Schedule
}
