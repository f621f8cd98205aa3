import type { Machine } from './machine.js'
import type { Measure, Table } from './table.js'

/** All figures of a run, and what they depend on. */
export interface Report {
  readonly date: string
  readonly machine: Machine
  /** Whether what runs in one process was kept on one CPU. */
  readonly pinned: boolean
  /** Versions of the packages that portside is measured beside. */
  readonly peers: Readonly<Record<string, string>>
  readonly measured: readonly Measured[]
}

/** One measure under one Node. */
export interface Measured {
  readonly node: string
  readonly measure: Pick<Measure<unknown>, 'name' | 'title' | 'about'>
  /** Its tables, or why it could not be measured. */
  readonly found: readonly Table[] | string
}

export function nodesOf({ measured }: Report): string[] {
  return [...new Set(measured.map(({ node }) => node))]
}

/** Each measure once, with what every Node found. */
export function byMeasure(
  report: Report,
): Array<Pick<Measured, 'measure'> & { readonly found: ReadonlyMap<string, Measured['found']> }> {
  const names = [...new Set(report.measured.map(({ measure }) => measure.name))]
  return names.map((name) => {
    const own = report.measured.filter(({ measure }) => measure.name === name)
    return { measure: own[0]!.measure, found: new Map(own.map(({ node, found }) => [node, found])) }
  })
}

/** A table of one measure, as every Node that has it measured it. */
export interface TableByNode {
  readonly table: Table
  readonly of: ReadonlyMap<string, Table>
}

export function tablesByNode(found: ReadonlyMap<string, Measured['found']>): TableByNode[] {
  const all = [...found].flatMap(([node, tables]) =>
    typeof tables === 'string' ? [] : tables.map((table) => ({ node, table })),
  )
  const titles = [...new Set(all.map(({ table }) => table.title))]
  return titles.map((title) => {
    const own = all.filter(({ table }) => table.title === title)
    return { table: own[0]!.table, of: new Map(own.map(({ node, table }) => [node, table])) }
  })
}
