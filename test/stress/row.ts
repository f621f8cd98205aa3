/** One check, with its expected and its actual result. */
export interface Row {
  readonly what: string
  readonly expected: string
  readonly found: string
  readonly verdict: 'OK' | 'FAIL' | 'info' | 'skip' | ''
}

export function check(what: string, expected: string, found: string, ok: boolean): Row {
  return { what, expected, found, verdict: ok ? 'OK' : 'FAIL' }
}

/** A figure for comparison, which cannot fail. */
export function information(what: string, found: string): Row {
  return { what, expected: '', found, verdict: 'info' }
}

export function skipped(what: string, why: string): Row {
  return { what, expected: '', found: why, verdict: 'skip' }
}

export function format({ what, expected, found, verdict }: Row): string {
  return `${what.padEnd(62)}  ${expected.padEnd(18)}  ${found.padEnd(80)}  ${verdict}`
}
