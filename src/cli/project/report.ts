import type { Run } from './scripts.js'

/** The findings about one test runner of a project. */
export interface RunnerReport {
  readonly name: string
  /** Of the installed package. */
  readonly version?: string
  /** The file that the settings come from. */
  readonly config?: string
  /**
   * `'on'`: a leak fails its test. `'off'`: portside is set up, but does not check anything. `'unknown'`: the configuration cannot be
   * read, or takes settings from a package.
   */
  readonly check: 'on' | 'off' | 'not set up' | 'unknown'
  /** The setting that sets the check up, or why that is unknown. */
  readonly how?: string
  readonly faults: readonly Fault[]
  /** The lines that set the check up, and the file that they go into. */
  readonly add?: readonly string[]
  readonly addTo?: string
  readonly notes: readonly string[]
  /** The page of the documentation for a runner that portside has no entry for. */
  readonly page?: string
}

/** A wrong setting. */
export interface Fault {
  readonly found: string
  /** The correct setting. */
  readonly fix: string
  /** Whether the check is off because of this setting, and the run does not say so. */
  readonly leavesOff: boolean
}

/** Collects what speaks for and against a set-up. */
export class Evidence {
  readonly on: string[] = []
  readonly faults: Fault[] = []
  readonly unclear: string[] = []
  readonly notes = new Set<string>()
  /** The files that have been read, each as the naming file and the name. */
  readonly read = new Set<string>()

  /** Reports a fault that leaves the check off without a word from the runner. */
  off(found: string, fix: string): void {
    this.faults.push({ found, fix, leavesOff: true })
  }

  /** Reports a fault that makes a run fail, or leaves another feature off. */
  wrong(found: string, fix: string): void {
    this.faults.push({ found, fix, leavesOff: false })
  }

  add({ on, faults, unclear, notes }: Evidence): void {
    this.on.push(...on)
    this.faults.push(...faults)
    this.unclear.push(...unclear)
    for (const note of notes) this.notes.add(note)
  }

  get check(): RunnerReport['check'] {
    if (this.on.length > 0) return 'on'
    if (this.faults.some(({ leavesOff }) => leavesOff)) return 'off'
    return this.unclear.length > 0 ? 'unknown' : 'not set up'
  }
}

export interface Conclusion {
  readonly name: string
  readonly version?: string | undefined
  readonly config?: string | undefined
  readonly runs: readonly Run[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** The lines to add if the check is not set up. */
  readonly advice: { readonly add: readonly string[]; readonly addTo?: string }
}

/** Makes a report that includes PORTSIDE_LEAKS in the environment and in scripts. */
export function conclude(evidence: Evidence, { name, version, config, runs, env, advice }: Conclusion): RunnerReport {
  const isMeant = evidence.check === 'on' || evidence.check === 'unknown'
  const isOff = isMeant && switchedOff(evidence, runs, env[VARIABLE])
  const check = isOff ? 'off' : evidence.check
  const how = check === 'unknown' ? evidence.unclear[0] : evidence.on[0]
  return {
    name,
    ...(version === undefined ? {} : { version }),
    ...(config === undefined ? {} : { config }),
    check,
    ...(how === undefined ? {} : { how }),
    faults: distinct(evidence.faults),
    ...(check === 'not set up' ? advice : {}),
    notes: [...evidence.notes],
  }
}

const VARIABLE = 'PORTSIDE_LEAKS'
const MODES = ['fail', 'warn', 'off', '']

/** Whether PORTSIDE_LEAKS is off in every run. A script overrides the environment. */
function switchedOff(evidence: Evidence, runs: readonly Run[], outer: string | undefined): boolean {
  const off = runs.filter(({ env }) => env.get(VARIABLE) === 'off')
  const scripts = [...new Set(off.map(({ script }) => `'${script}'`))].join(', ')
  const all = runs.length > 0 ? runs.every(({ env }) => (env.get(VARIABLE) ?? outer) === 'off') : outer === 'off'
  for (const value of new Set([outer ?? '', ...runs.map(({ env }) => env.get(VARIABLE) ?? '')])) {
    if (value === 'warn') evidence.notes.add(`${VARIABLE} is warn: leaks are printed, but no test fails`)
    else if (!MODES.includes(value)) evidence.wrong(`${VARIABLE} is '${value}'`, `set ${VARIABLE} to fail, warn or off`)
  }
  if (all) {
    const where = off.length > 0 ? `in the script ${scripts}` : 'in the environment'
    evidence.off(`${VARIABLE} is off ${where}`, `remove ${VARIABLE}, or set it to warn`)
  } else if (off.length > 0) {
    evidence.notes.add(`the check is off in the script ${scripts}: it sets ${VARIABLE} to off`)
  } else if (outer === 'off') {
    evidence.notes.add(`${VARIABLE} is off in the environment: nothing is checked in scripts that do not set it`)
  }
  return all
}

function distinct(faults: readonly Fault[]): Fault[] {
  return [...new Map(faults.map((fault) => [fault.found, fault])).values()]
}
