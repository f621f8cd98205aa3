import { byMeasure, nodesOf, type Report, type TableByNode, tablesByNode } from './report.js'
import { type Summary, summaryOf } from './statistics.js'
import { type Comparison, formatValue, ratioOf, rowOf, type Table, type Unit, winsOfPeers } from './table.js'

const UNITS: Readonly<Record<Unit, string>> = { ms: ' ms', us: ' µs', x: '', '': '' }
const NOTHING = '–'

/** docs/benchmarks.md from the figures. */
export function renderPage(report: Report): string {
  return `${[
    '# Benchmarks',
    'The cost of portside, compared with plain Node and with other packages. `npm run bench` wrote this page.',
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
  return ['![Time or CPU time of portside, divided by that of the alternative](benchmarks.svg)']
}

function howToRead({ pinned }: Report): string[] {
  return [
    'A figure is the median of five runs, followed by the least and the most. The alternatives take turns within a run. Each ' +
      'ratio is of one run; below 1, portside takes less. A bar is a goal of portside; the tests do not check it. ' +
      'If a bar has two figures, the first is for Node 20 and the second for later versions. ' +
      (pinned ? 'Each process is kept on one CPU.' : 'The system chooses the CPU.'),
  ]
}

/** Comparisons that another package wins, under any Node. */
function wins(report: Report): string[] {
  const nodes = nodesOf(report)
  const rows = tablesOf(report).flatMap(({ table, of }) =>
    table.comparisons.flatMap((comparison) => {
      const isLost = [...of.values()].some((own) => winsOfPeers(own).some((one) => isSame(one, comparison)))
      const ratios = nodes.map((node) => ratio(of.get(node), comparison, false))
      return isLost ? [[upperFirst(table.title), `${comparison.of} beside ${comparison.beside}`, ...ratios]] : []
    }),
  )
  return [
    '## Where another package wins',
    rows.length === 0 ? 'No other package wins.' : markdownTable(['', 'Ratio', ...headsOf(nodes)], rows),
  ]
}

/** Figures and ratios that are over their bar, under any Node. */
function overBars(report: Report): string[] {
  const nodes = nodesOf(report)
  const rows = tablesOf(report).flatMap(({ table, of }) => {
    const title = upperFirst(table.title)
    const figures = table.rows.map(({ name, bar }) => ({
      name,
      isOver: [...of.values()].some((own) => isOver(summaryOf(rowOf(own, name).samples), bar)),
      values: nodes.map((node) => figure(of.get(node), name, false)),
      bar: bar === undefined ? '' : `${bar}${UNITS[table.unit]}`,
    }))
    const ratios = table.comparisons.map((comparison) => ({
      name: `${comparison.of} beside ${comparison.beside}`,
      isOver: [...of.values()].some((own) => isOver(ratioOf(own, comparison), barOf(own, comparison))),
      values: nodes.map((node) => ratio(of.get(node), comparison, false)),
      bar: barsOf(nodes, of, comparison),
    }))
    return [...figures, ...ratios]
      .filter((one) => one.isOver)
      .map(({ name, values, bar }) => [title, name, ...values, bar])
  })
  return [
    '## Over a bar',
    rows.length === 0 ? 'No figure is over its bar.' : markdownTable(['', '', ...headsOf(nodes), 'bar'], rows),
  ]
}

const tablesOf = (report: Report): TableByNode[] => byMeasure(report).flatMap(({ found }) => tablesByNode(found))

const headsOf = (nodes: readonly string[]): string[] => nodes.map((node) => `Node ${major(node)}`)

const isOver = (summary: Summary | undefined, bar: number | undefined): boolean =>
  summary !== undefined && bar !== undefined && summary.median > bar

const barOf = (table: Table, comparison: Comparison): number | undefined =>
  table.comparisons.find((one) => isSame(one, comparison))?.bar

function skipped(found: ReadonlyMap<string, readonly Table[] | string>): string[] {
  return [...found].flatMap(([node, tables]) =>
    typeof tables === 'string' ? [`Not measured on Node ${major(node)}: ${tables}.`] : [],
  )
}

function renderTable(report: Report, { table, of }: TableByNode): string[] {
  const nodes = nodesOf(report)
  const heads = headsOf(nodes)
  const withBar = table.rows.some(({ bar }) => bar !== undefined)
  const figures = table.rows.map(({ name, bar }) => [
    name,
    ...nodes.map((node) => figure(of.get(node), name)),
    ...(withBar ? [bar === undefined ? '' : `${bar}${UNITS[table.unit]}`] : []),
  ])
  const ratios = table.comparisons.map((comparison) => [
    `${comparison.of} beside ${comparison.beside}`,
    ...nodes.map((node) => ratio(of.get(node), comparison)),
    barsOf(nodes, of, comparison),
  ])
  return [
    markdownTable([upperFirst(table.title), ...heads, ...(withBar ? ['bar'] : [])], figures),
    ...(ratios.length === 0 ? [] : [markdownTable(['Ratio', ...heads, 'bar'], ratios)]),
  ]
}

/** One bar, or one for each Node where they differ. */
function barsOf(nodes: readonly string[], of: TableByNode['of'], comparison: Comparison): string {
  const bars = nodes.flatMap((node) => {
    const own = of.get(node)
    return own === undefined ? [] : [barOf(own, comparison)]
  })
  const known = [...new Set(bars.filter((bar) => bar !== undefined))]
  return known.join(' / ')
}

function figure(table: Table | undefined, name: string, withSpread = true): string {
  return table === undefined ? NOTHING : spread(summaryOf(rowOf(table, name).samples), table.unit, withSpread)
}

function ratio(table: Table | undefined, comparison: Comparison, withSpread = true): string {
  const summary = table && ratioOf(table, comparison)
  return summary === undefined ? NOTHING : spread(summary, 'x', withSpread)
}

/** The median, and behind it the least and the most if they differ. */
function spread({ median, least, most }: Summary, unit: Unit, withSpread: boolean): string {
  const from = withSpread && least !== most ? ` (${shown(least, unit, '')}..${shown(most, unit, '')})` : ''
  return `${shown(median, unit)}${from}`
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
      'one short run. The first run installs the packages of `fixtures/projects/bench-peers` into the cache of your user. ' +
      'Run nothing else on the machine meanwhile.',
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
