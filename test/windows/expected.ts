import type { FeatureResult } from '../runtimes/feature.js'

/** The machine and the Node, which the expectation depends on. */
export interface Circumstances {
  readonly major: number
  /** Wine 10 or newer. */
  readonly isNew: boolean
  /** With the stand-ins of netstat and tasklist. */
  readonly withPrograms: boolean
}

interface Exception {
  /** `area: name`. */
  readonly feature: string
  readonly outcome: 'unsupported' | 'failed'
  readonly reason: string
  /** Only then is it expected. */
  readonly when?: (circumstances: Circumstances) => boolean
}

const NETWORKS = 'Windows has no private networks'

/** The features that do not work on Windows, or that Wine cannot show. Everything else works. */
const EXCEPTIONS: readonly Exception[] = [
  {
    feature: 'ports: the port stays held while a server listens on it',
    outcome: 'failed',
    reason: 'on Windows the server holds its port itself, and `held` is false: docs/platforms.md',
  },
  {
    feature: 'programs: spawnListening by descriptor',
    outcome: 'unsupported',
    reason: 'a program of Windows inherits no listening socket',
  },
  { feature: 'endpoints: privilegedEndpoint', outcome: 'unsupported', reason: 'Windows has no privileged ports' },
  {
    feature: 'tables: socketDescriptors',
    outcome: 'unsupported',
    reason: 'a process of Windows cannot list its handles',
  },
  { feature: 'tables: private networks', outcome: 'unsupported', reason: NETWORKS },
  { feature: 'tables: exhaustion of the ephemeral range', outcome: 'unsupported', reason: NETWORKS },
  ...[
    'programs: spawnListening by port',
    'programs: spawnListening with ready: { http }',
    'errors: explainSocketError of EADDRINUSE names the owner',
    'tables: readSocketTable',
    'tables: findOwners',
    'command: portside who',
  ].map(
    (feature): Exception => ({
      feature,
      outcome: 'failed',
      reason: "Wine's own netstat lists no listeners and no pids",
      when: ({ withPrograms }) => !withPrograms,
    }),
  ),
]

/** The results that differ from the expectation, also for the better. */
export function complaintsOf(results: readonly FeatureResult[], circumstances: Circumstances): string[] {
  return results.flatMap(({ area, name, outcome, detail }) => {
    const expected = exceptionFor(`${area}: ${name}`, circumstances)?.outcome ?? 'ok'
    return outcome === expected ? [] : [`${area}: ${name}: expected ${expected}, got ${outcome} ${detail}`]
  })
}

/** A line with the reason for each feature that is expected not to work. */
export function reasonsOf(results: readonly FeatureResult[], circumstances: Circumstances): string[] {
  return results.flatMap(({ area, name }) => {
    const exception = exceptionFor(`${area}: ${name}`, circumstances)
    return exception === undefined ? [] : [`${exception.feature}: ${exception.reason}`]
  })
}

function exceptionFor(feature: string, circumstances: Circumstances): Exception | undefined {
  return EXCEPTIONS.find((one) => one.feature === feature && (one.when?.(circumstances) ?? true))
}
