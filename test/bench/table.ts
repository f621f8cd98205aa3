import { ratiosOf, type Summary, summaryOf } from './statistics.js'

/** The cost of each way to do one thing, with a figure for each run. */
export interface Table {
  readonly title: string
  readonly unit: Unit
  readonly rows: readonly Row[]
  readonly comparisons: readonly Comparison[]
}

export type Unit = 'ms' | 'us' | 'x' | ''

export interface Row {
  readonly name: string
  /** Whether it is portside, what Node or a runner does without it, or another package. */
  readonly is: 'portside' | 'plain' | 'peer'
  /** One for each run. */
  readonly samples: readonly number[]
  /** The bar: the most that it may be. */
  readonly bar?: number
}

/** Two rows, divided run by run. */
export interface Comparison {
  readonly of: string
  readonly beside: string
  /** The bar: the most that the ratio may be. */
  readonly bar?: number
}

/** A subject of the benchmark. */
export interface Measure<Lab> {
  /** For `--only`. */
  readonly name: string
  readonly title: string
  /** How it is measured, for the page. */
  readonly about: string
  /** Gives its tables, or why it cannot be measured here. */
  run(lab: Lab): Promise<readonly Table[] | string>
}

/** One way to do it: its name, its package, and its bar. */
export type Way = Omit<Row, 'samples'>

/** A table of the figures that `inRuns()` of a lab collected under the names of the ways. */
export function tableOf(
  title: string,
  unit: Unit,
  ways: readonly Way[],
  samples: Readonly<Record<string, readonly number[]>>,
  comparisons: readonly Comparison[] = [],
): Table {
  const rows = ways.map((way) => {
    const own = samples[way.name]
    if (own === undefined) throw new Error(`${title}: nothing was measured of ${way.name}`)
    return { ...way, samples: own }
  })
  const table = { title, unit, rows, comparisons }
  for (const { of, beside } of comparisons) for (const name of [of, beside]) rowOf(table, name)
  return table
}

export function rowOf({ title, rows }: Table, name: string): Row {
  const row = rows.find((one) => one.name === name)
  if (row === undefined) throw new Error(`${title} has no row ${name}`)
  return row
}

/** Over the runs, or undefined where noise leaves no ratio. */
export function ratioOf(table: Table, { of, beside }: Comparison): Summary | undefined {
  const ratios = ratiosOf(rowOf(table, of).samples, rowOf(table, beside).samples)
  return ratios.length === 0 ? undefined : summaryOf(ratios)
}

/** The comparisons in which another package takes less than portside. */
export function winsOfPeers(table: Table): Comparison[] {
  return table.comparisons.filter(
    (comparison) =>
      // As the page prints it: 1.00 is a draw.
      rowOf(table, comparison.beside).is === 'peer' && Number((ratioOf(table, comparison)?.median ?? 0).toFixed(2)) > 1,
  )
}

/** The table for a terminal: a line for each row, then a line for each comparison. */
export function formatTable(table: Table): string {
  const rows = table.rows.map(({ name, samples, bar }) =>
    line(`  ${name}`, summaryOf(samples), table.unit, bar, table.unit === 'x' ? 2 : undefined),
  )
  const ratios = table.comparisons.map((comparison) =>
    line(`  ${comparison.of} / ${comparison.beside}`, ratioOf(table, comparison), 'x', comparison.bar, 2),
  )
  return [table.title.replaceAll('`', ''), ...rows, ...ratios].join('\n')
}

function line(
  name: string,
  summary: Summary | undefined,
  unit: Unit,
  bar: number | undefined,
  digits?: number,
): string {
  if (summary === undefined) return `${name.padEnd(62)} below the noise`
  const { median, least, most } = summary
  const shown = (value: number): string => formatValue(value, digits)
  const spread = least === most ? '' : `${shown(least)} .. ${shown(most)}`
  return `${name.padEnd(62)} ${shown(median).padStart(8)} ${unit.padEnd(2)} ${spread.padEnd(19)} ${verdict(median, bar, unit)}`.trimEnd()
}

/** Whether a median is within its bar, as the terminal says it. */
export function verdict(median: number, bar: number | undefined, unit: Unit): string {
  if (bar === undefined) return ''
  const separator = unit === 'x' || unit === '' ? '' : ' '
  return `${median <= bar ? 'within' : 'OVER'} ${bar}${separator}${unit}`
}

/** Three significant digits or more, or so many behind the point. */
export function formatValue(value: number, digits?: number): string {
  if (digits !== undefined) return value.toFixed(digits)
  return Number.isInteger(value) || Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
