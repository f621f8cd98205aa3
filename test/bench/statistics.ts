/** The middle of some figures, and how far they spread. */
export interface Summary {
  readonly median: number
  readonly least: number
  readonly most: number
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return Number.isInteger(middle) ? (sorted[middle - 1]! + sorted[middle]!) / 2 : sorted[Math.floor(middle)]!
}

export function summaryOf(values: readonly number[]): Summary {
  if (values.length === 0) throw new Error('There is no figure to summarise')
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) }
}

/** Each figure divided by the one of the same run. Where noise has made either zero or less, there is no ratio. */
export function ratiosOf(values: readonly number[], beside: readonly number[]): number[] {
  if (values.length !== beside.length) throw new Error(`${values.length} runs cannot be divided by ${beside.length}`)
  return values.flatMap((value, run) => (value > 0 && beside[run]! > 0 ? [value / beside[run]!] : []))
}

/** The median of each list: what one run says of each alternative. */
export function mediansOf(samples: Readonly<Record<string, readonly number[]>>): Record<string, number> {
  return Object.fromEntries(Object.entries(samples).map(([name, values]) => [name, median(values)]))
}

/** Figures in milliseconds, each times 1000. */
export function inMicroseconds(milliseconds: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(milliseconds).map(([name, value]) => [name, value * 1000]))
}
