/** One thing that was tried, what must come of it, and what came. */
export interface Row {
  readonly what: string
  readonly expected: string
  readonly found: string
  readonly verdict: 'OK' | 'FAIL' | 'info' | 'skip' | ''
}

export function check(what: string, expected: string, found: string, ok: boolean): Row {
  return { what, expected, found, verdict: ok ? 'OK' : 'FAIL' }
}

/** Something to compare with, which has no right or wrong. */
export function information(what: string, found: string): Row {
  return { what, expected: '', found, verdict: 'info' }
}

export function skipped(what: string, why: string): Row {
  return { what, expected: '', found: why, verdict: 'skip' }
}

export function format({ what, expected, found, verdict }: Row): string {
  return `${what.padEnd(62)}  ${expected.padEnd(18)}  ${found.padEnd(80)}  ${verdict}`
}
