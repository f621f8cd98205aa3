import { describe, expect, test } from 'vitest'
import { markdownTable, renderPage } from './page.js'
import { renderPlot } from './plot.js'
import type { Report } from './report.js'
import { type Table, tableOf } from './table.js'

const server = (ours: number[], bar: number): Table =>
  tableOf(
    'a server',
    'us',
    [
      { name: 'portside', is: 'portside', bar: 100 },
      { name: 'net', is: 'plain' },
      { name: 'a <peer>', is: 'peer' },
    ],
    { portside: ours, net: [10, 10, 10], 'a <peer>': [40, 40, 40] },
    [
      { of: 'portside', beside: 'net', bar },
      { of: 'portside', beside: 'a <peer>' },
    ],
  )

const listening = { name: 'listen', title: 'A server that listens', about: 'How it listens.' }
const network = { name: 'network', title: 'A private network', about: 'What it costs.' }
const report: Report = {
  date: '2026-01-02',
  machine: { cpu: 'A CPU', cores: 2, memory: '4 GiB', kernel: 'Linux 6.1', load: 0.25 },
  pinned: true,
  peers: { 'get-port': '7.2.0', node: '24.1.0' },
  measured: [
    { node: 'v20.1.0', measure: listening, found: [server([20, 50, 60], 3)] },
    { node: 'v20.1.0', measure: network, found: 'no user namespaces' },
    { node: 'v24.1.0', measure: listening, found: [server([11, 12, 13], 1.5)] },
    { node: 'v24.1.0', measure: network, found: 'no user namespaces' },
  ],
}
const within: Report = { ...report, measured: report.measured.slice(2) }

const section = (page: string, title: string): string | undefined =>
  page
    .split('\n## ')
    .find((text) => text.startsWith(title))
    ?.slice(title.length)
    .trim()

describe('the page', () => {
  const page = renderPage(report)

  test('has each figure with its spread under each Node', () => {
    expect(page).toContain('| A server | Node 20 | Node 24 | bar |')
    expect(page).toContain('| portside | 50 µs (20..60) | 12 µs (11..13) | 100 µs |')
    expect(page).toContain('| net | 10 µs | 10 µs | |')
  })

  test('has each ratio with its spread, and a bar for each Node where they differ', () => {
    expect(page).toContain('| portside beside net | 5.00 (2.00..6.00) | 1.20 (1.10..1.30) | 3 / 1.5 |')
    expect(page).toContain('| portside beside a <peer> | 1.25 (0.50..1.50) | 0.30 (0.28..0.33) | |')
  })

  test('says where another package wins', () => {
    expect(section(page, 'Where another package wins')).toBe(
      '| | Ratio | Node 20 | Node 24 |\n| --- | --- | --- | --- |\n' +
        '| A server | portside beside a <peer> | 1.25 | 0.30 |',
    )
    expect(section(renderPage(within), 'Where another package wins')).toBe('No other package wins.')
  })

  test('says what is over its bar', () => {
    expect(section(page, 'Over a bar')).toBe(
      '| | | Node 20 | Node 24 | bar |\n| --- | --- | --- | --- | --- |\n' +
        '| A server | portside beside net | 5.00 | 1.20 | 3 / 1.5 |',
    )
    expect(section(renderPage(within), 'Over a bar')).toBe('No figure is over its bar.')
  })

  test('says what was not measured, and why', () => {
    expect(page).toContain('Not measured on Node 20: no user namespaces.')
  })

  test('names the machine, the date, the Nodes and the packages', () => {
    for (const text of ['2026-01-02', 'A CPU, 2 cores', 'Linux 6.1', 'v20.1.0, v24.1.0', '| get-port | 7.2.0 |']) {
      expect(page).toContain(text)
    }
  })

  test('has the plot beside it', () => {
    expect(page).toMatch(/^!\[[^\]]+\]\(benchmarks\.svg\)$/m)
  })
})

test('a cell of a table may have a bar', () => {
  expect(markdownTable(['a', 'b'], [['x|y', '']])).toBe('| a | b |\n| --- | --- |\n| x\\|y | |')
})

describe('the plot', () => {
  const plot = renderPlot(report)

  test('has a title and a description', () => {
    expect(plot).toContain('role="img" aria-labelledby="title description"')
    expect(plot).toMatch(/<title id="title">[^<]+<\/title>/)
    expect(plot).toContain('4 ratios on a logarithmic axis. In 1 of them portside takes as much or less.')
  })

  test('has colours for dark pages', () => {
    expect(plot).toContain('@media (prefers-color-scheme: dark)')
  })

  test('escapes names', () => {
    expect(plot).toContain('portside / a &lt;peer&gt;')
    expect(plot).not.toContain('<peer>')
  })

  test('has a mark for each ratio under each Node, from its least to its most', () => {
    const body = plot.slice(plot.indexOf('class="title"'))
    expect(body.match(/<circle/g)).toHaveLength(2)
    expect(body.match(/<path/g)).toHaveLength(2)
    expect(body.match(/<g class="node-\d"><line/g)).toHaveLength(4)
  })

  test('has ratios on a logarithmic axis', () => {
    const x = (value: string): number => {
      const [, at] = new RegExp(`<text class="small" x="([\\d.]+)"[^>]*>${value}</text>`).exec(plot) ?? []
      return Number(at)
    }
    // Within the rounding to whole units.
    expect(x('2') - x('1')).toBeCloseTo(x('1') - x('0.5'), -1)
    expect(x('2')).toBeGreaterThan(x('1'))
    const [, tick] = /class="bar" x1="([\d.]+)"/.exec(plot.slice(plot.indexOf('portside / net'))) ?? []
    expect(Number(tick)).toBeCloseTo(x('1') + Math.log2(3) * (x('2') - x('1')), -1)
  })

  test('is well-formed: each element is closed', () => {
    const open: string[] = []
    for (const [, close, name = '', empty] of plot.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
      if (close) expect(open.pop()).toBe(name)
      else if (!empty) open.push(name)
    }
    expect(open).toEqual([])
  })
})
