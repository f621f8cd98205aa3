import { byMeasure, nodesOf, type Report, tablesByNode } from './report.js'
import type { Summary } from './statistics.js'
import { ratioOf } from './table.js'

const WIDTH = 900
const LABELS = 410
const RIGHT = 24
const LINE = 20
const TOP = 76

/** A line of the plot: a comparison, or the title of a table above its comparisons. */
type Line =
  | { readonly title: string }
  | { readonly label: string; readonly bar: number | undefined; readonly ratios: ReadonlyMap<string, Summary> }

/** docs/benchmarks.svg: the ratios on one logarithmic axis, a mark for each Node. */
export function renderPlot(report: Report): string {
  const nodes = nodesOf(report)
  const lines = linesOf(report)
  const position = axis(lines)
  const height = TOP + lines.length * LINE + 16
  const body = lines.map((line, index) => {
    const y = TOP + index * LINE + LINE / 2
    if ('title' in line) return `<text class="title" x="8" y="${y + 4}">${escaped(line.title)}</text>`
    const label = `<text x="${LABELS - 10}" y="${y + 4}" text-anchor="end">${escaped(line.label)}</text>`
    const bar = line.bar === undefined ? '' : tick(position.of(line.bar), y)
    const marks = nodes.flatMap((node, order) => {
      const ratio = line.ratios.get(node)
      return ratio === undefined ? [] : [mark(order, ratio, y + (order - (nodes.length - 1) / 2) * 6, position.of)]
    })
    return [label, bar, ...marks].join('')
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title description">`,
    '<title id="title">Time or CPU time of portside, divided by that of the alternative</title>',
    `<desc id="description">${escaped(describe(lines))}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${WIDTH}" height="${height}"/>`,
    ...legend(nodes),
    ...position.ticks.map(
      (value) =>
        `<line class="${value === 1 ? 'one' : 'grid'}" x1="${position.of(value)}" x2="${position.of(value)}" y1="${TOP - 8}" y2="${height - 12}"/>` +
        `<text class="small" x="${position.of(value)}" y="${TOP - 14}" text-anchor="middle">${value}</text>`,
    ),
    ...body,
    '</svg>',
    '',
  ].join('\n')
}

// Blue and vermilion of Okabe and Ito, who chose them for readers who see colours differently; the marks differ in shape, too.
const STYLE = `
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.small { font-size: 11px; fill: #59636e }
.page { fill: #ffffff }
.grid { stroke: #d1d9e0 }
.one { stroke: #59636e; stroke-width: 1.5 }
.bar { stroke: #1f2328; stroke-width: 2 }
.node-0 { fill: #0072b2; stroke: #0072b2 }
.node-1 { fill: #d55e00; stroke: #d55e00 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.small { fill: #9198a1 }
.page { fill: #0d1117 }
.grid { stroke: #3d444d }
.one { stroke: #9198a1 }
.bar { stroke: #f0f6fc }
.node-0 { fill: #56b4e9; stroke: #56b4e9 }
.node-1 { fill: #e69f00; stroke: #e69f00 }
}
`

function linesOf(report: Report): Line[] {
  return byMeasure(report).flatMap(({ found }) =>
    tablesByNode(found).flatMap(({ table, of }) => {
      // It repeats the lines above it.
      if (table.title.endsWith(', CPU time')) return []
      const lines = table.comparisons.flatMap((comparison) => {
        const ratios = new Map<string, Summary>()
        for (const [node, own] of of) {
          const ratio = ratioOf(own, comparison)
          if (ratio !== undefined) ratios.set(node, ratio)
        }
        const label = `${comparison.of} / ${comparison.beside}`
        return ratios.size === 0 ? [] : [{ label, bar: comparison.bar, ratios }]
      })
      return lines.length === 0 ? [] : [{ title: table.title.replaceAll('`', '') }, ...lines]
    }),
  )
}

/** Ticks at 1, 2 and 5 of each power of ten, from the last one below the least ratio to the first one above the most. */
function axis(lines: readonly Line[]): { of: (ratio: number) => number; ticks: number[] } {
  const ends = lines.flatMap((line) =>
    'title' in line ? [] : [...line.ratios.values()].flatMap(({ least, most }) => [least, most]),
  )
  const powers = Array.from({ length: 13 }, (_, index) => index - 6)
  const all = powers.flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)))
  const first = all.findLastIndex((value) => value <= Math.min(0.5, ...ends))
  const last = all.findIndex((value) => value >= Math.max(2, ...ends))
  const ticks = all.slice(Math.max(first, 0), last === -1 ? undefined : last + 1)
  const [low, high] = [Math.log10(ticks[0]!), Math.log10(ticks.at(-1)!)]
  const of = (ratio: number): number => {
    const share = (Math.log10(ratio) - low) / (high - low)
    return Math.round(LABELS + share * (WIDTH - RIGHT - LABELS))
  }
  return { of, ticks }
}

function mark(order: number, { median, least, most }: Summary, y: number, of: (ratio: number) => number): string {
  const x = of(median)
  const spread = least === most ? '' : `<line x1="${of(least)}" x2="${of(most)}" y1="${y}" y2="${y}"/>`
  const shape = order === 0 ? `<circle cx="${x}" cy="${y}" r="3.5"/>` : `<path d="M${x} ${y - 4}l4 4l-4 4l-4 -4z"/>`
  return `<g class="node-${order}">${spread}${shape}</g>`
}

const tick = (x: number, y: number): string =>
  `<line class="bar" x1="${x}" x2="${x}" y1="${y - LINE / 2 + 2}" y2="${y + LINE / 2 - 2}"/>`

function legend(nodes: readonly string[]): string[] {
  const marks = nodes.map(
    (node, order) =>
      `${mark(order, { median: 1, least: 1, most: 1 }, 20, () => 16 + order * 110)}<text x="${26 + order * 110}" y="24">Node ${escaped(node.slice(1))}</text>`,
  )
  const x = 16 + nodes.length * 110
  return [
    ...marks,
    `${tick(x, 20)}<text x="${x + 10}" y="24">the bar</text>`,
    `<text class="small" x="8" y="46">Ratios of five runs: the median, and from the least to the most. Left of 1, portside takes less.</text>`,
  ]
}

/** A description of the plot for screen readers. */
function describe(lines: readonly Line[]): string {
  const compared = lines.flatMap((line) => ('title' in line ? [] : [...line.ratios.values()]))
  const less = compared.filter(({ median }) => median <= 1).length
  return `${compared.length} ratios on a logarithmic axis. In ${less} of them portside takes as much or less. The page has all ratios in tables.`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
