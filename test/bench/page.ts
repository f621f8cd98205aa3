import { byMeasure, nodesOf, type Report, type TableByNode, tablesByNode } from './report.js'
import { summaryOf } from './statistics.js'
import { type Comparison, formatValue, ratioOf, rowOf, type Table, type Unit, winsOfPeers } from './table.js'

const UNITS: Readonly<Record<Unit, string>> = { ms: ' ms', us: ' µs', x: '', '': '' }
const NOTHING = '–'

/** docs/benchmarks.md from the figures. */
export function renderPage(report: Report): string {
  return `${[
    '# Benchmarks',
    'What portside costs, beside plain Node and beside other packages. `npm run bench` wrote this page.',
    ...plot(),
    ...howToRead(report),
    ...wins(report),
    ...overBars(report),
    ...byMeasure(report).flatMap(({ measure, found }) => [
      `## ${measure.title}`,
      measure.about,
      ...skipped(found),
      ...tablesByNode(found).flatMap((table) => renderTable(report, table)),
    ]),
    ...machine(report),
    ...reproduce(),
  ].join('\n\n')}\n`
}

function plot(): string[] {
  return ['![Time or CPU time of portside divided by that of what it is measured beside](benchmarks.svg)']
}

function howToRead({ pinned }: Report): string[] {
  return [
    'A figure is the median of five runs, with the least and the most of them behind it. In a run the alternatives take turns. A ratio is ' +
      'taken in each run; below 1, portside takes less. A bar is a goal of portside, and not a limit of the tests. ' +
      (pinned ? 'What runs in one process is kept on one CPU.' : 'The system chooses the CPU.'),
  ]
}

/** Each comparison of every table, as every Node measured it. */
function comparisonsOf(report: Report): Array<{ table: Table; comparison: Comparison; of: TableByNode['of'] }> {
  return byMeasure(report).flatMap(({ found }) =>
    tablesByNode(found).flatMap(({ table, of }) => table.comparisons.map((comparison) => ({ table, comparison, of }))),
  )
}

function wins(report: Report): string[] {
  const lines = comparisonsOf(report).flatMap(({ table, comparison, of }) => {
    const lost = [...of].filter(([, own]) => winsOfPeers(own).some((one) => isSame(one, comparison)))
    if (lost.length === 0) return []
    const said = lost.map(([node, own]) => `${ratio(own, comparison)} times as much on Node ${major(node)}`).join(', ')
    return [`- ${upperFirst(table.title)}: ${comparison.beside} takes less. ${comparison.of} takes ${said}.`]
  })
  const [title, none] = ['## Where another package wins', 'None does.']
  return [title, lines.length === 0 ? none : lines.join('\n')]
}

function overBars(report: Report): string[] {
  const nodes = nodesOf(report)
  const lines = byMeasure(report).flatMap(({ found }) =>
    tablesByNode(found).flatMap(({ table, of }) => [
      ...table.rows.flatMap(({ name, bar }) =>
        over(
          nodes,
          of,
          bar,
          (own) => summaryOf(rowOf(own, name).samples).median,
          `${upperFirst(table.title)}: ${name}`,
          table.unit,
        ),
      ),
      ...table.comparisons.flatMap((comparison) => {
        const name = `${upperFirst(table.title)}: ${comparison.of} beside ${comparison.beside}`
        return nodes.flatMap((node) => {
          const own = of.get(node)
          const bar = own?.comparisons.find((one) => isSame(one, comparison))?.bar
          const single = own === undefined ? new Map<string, Table>() : new Map([[node, own]])
          return over([node], single, bar, (table) => ratioOf(table, comparison)?.median, name, 'x')
        })
      }),
    ]),
  )
  const title = '## Over its bar'
  return [title, lines.length === 0 ? 'Nothing is.' : lines.join('\n')]
}

function over(
  nodes: readonly string[],
  of: TableByNode['of'],
  bar: number | undefined,
  value: (table: Table) => number | undefined,
  name: string,
  unit: Unit,
): string[] {
  if (bar === undefined) return []
  return nodes.flatMap((node) => {
    const own = of.get(node)
    const measured = own === undefined ? undefined : value(own)
    if (measured === undefined || measured <= bar) return []
    return [`- ${name}, on Node ${major(node)}: ${shown(measured, unit)}, the bar is ${bar}${UNITS[unit]}.`]
  })
}

function skipped(found: ReadonlyMap<string, readonly Table[] | string>): string[] {
  return [...found].flatMap(([node, tables]) =>
    typeof tables === 'string' ? [`Not measured on Node ${major(node)}: ${tables}.`] : [],
  )
}

function renderTable(report: Report, { table, of }: TableByNode): string[] {
  const nodes = nodesOf(report)
  const heads = nodes.map((node) => `Node ${major(node)}`)
  const withBar = table.rows.some(({ bar }) => bar !== undefined)
  const figures = table.rows.map(({ name, bar }) => [
    name,
    ...nodes.map((node) => figure(of.get(node), name)),
    ...(withBar ? [bar === undefined ? '' : `${bar}${UNITS[table.unit]}`] : []),
  ])
  const ratios = table.comparisons.map((comparison) => [
    `${comparison.of} beside ${comparison.beside}`,
    ...nodes.map((node) => ratio(of.get(node), comparison, true)),
    barsOf(nodes, of, comparison),
  ])
  return [
    markdownTable([upperFirst(table.title), ...heads, ...(withBar ? ['bar'] : [])], figures),
    ...(ratios.length === 0 ? [] : [markdownTable(['Ratio', ...heads, 'bar'], ratios)]),
  ]
}

/** One bar, or one for each Node where they differ. */
function barsOf(nodes: readonly string[], of: TableByNode['of'], comparison: Comparison): string {
  const bars = nodes.map((node) => of.get(node)?.comparisons.find((one) => isSame(one, comparison))?.bar)
  const known = [...new Set(bars.filter((bar) => bar !== undefined))]
  return known.join(' / ')
}

function figure(table: Table | undefined, name: string): string {
  if (table === undefined) return NOTHING
  const { median, least, most } = summaryOf(rowOf(table, name).samples)
  const spread = least === most ? '' : ` (${shown(least, table.unit, '')}..${shown(most, table.unit, '')})`
  return `${shown(median, table.unit)}${spread}`
}

function ratio(table: Table | undefined, comparison: Comparison, withSpread = false): string {
  const summary = table && ratioOf(table, comparison)
  if (summary === undefined) return NOTHING
  const { median, least, most } = summary
  return `${shown(median, 'x')}${withSpread && least !== most ? ` (${shown(least, 'x')}..${shown(most, 'x')})` : ''}`
}

const shown = (value: number, unit: Unit, written = UNITS[unit]): string =>
  `${formatValue(value, unit === 'x' ? 2 : undefined)}${written}`

function machine(report: Report): string[] {
  const { date, peers } = report
  const { cpu, cores, memory, kernel, load } = report.machine
  return [
    '## The machine',
    markdownTable(
      ['', ''],
      [
        ['date', date],
        ['CPU', `${cpu}, ${cores} cores`],
        ['memory', memory],
        ['kernel', kernel],
        ['load when the run started', load.toFixed(1)],
        ['Node', nodesOf(report).join(', ')],
      ],
    ),
    '## The packages',
    markdownTable(
      ['package', 'version'],
      Object.entries(peers).flatMap(([name, version]) => (name === 'node' ? [] : [[name, version]])),
    ),
  ]
}

function reproduce(): string[] {
  return [
    '## To measure again',
    '```sh\nnpm run bench\nnpm run bench -- --quick\nnpm run bench -- --only drain --node /path/to/node\n```',
    'A complete run takes half an hour, and writes this page and its plot. `--quick` takes less than 90 seconds on two cores, and prints ' +
      'one short run. The first run installs the packages, in the versions of `fixtures/projects/bench-peers`, into the cache of your user. ' +
      'Nothing else should run on the machine.',
  ]
}

export function markdownTable(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const lines = [head, head.map(() => '---'), ...rows]
  return lines
    .map((cells) => `| ${cells.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`.replace(/ {2,}/g, ' '))
    .join('\n')
}

const isSame = (one: Comparison, other: Comparison): boolean => one.of === other.of && one.beside === other.beside

const major = (node: string): string => node.replace(/^v(\d+)\..*/, '$1')

const upperFirst = (text: string): string => text.replace(/^[a-z]/, (first) => first.toUpperCase())
