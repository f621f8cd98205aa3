import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EXCEPTIONS } from './expected.js'
import type { FeatureResult } from './feature.js'

const PAGE = join(import.meta.dirname, '../../docs/platforms.md')
const BEGIN = '<!-- runtimes: written by `npm run runtimes -- --page` -->'
const END = '<!-- runtimes end -->'

/** Writes the table of counts and the list of exceptions between the marks of `docs/platforms.md`. */
export function writePage(table: ReadonlyMap<string, readonly FeatureResult[]>): void {
  const page = readFileSync(PAGE, 'utf8')
  const [before, rest] = page.split(BEGIN)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined) throw new Error(`${PAGE} lacks the marks of the table`)
  writeFileSync(PAGE, `${before}${BEGIN}\n\n${tableOf(table)}\n${exceptionsOf(table)}\n${END}${after}`)
}

function tableOf(table: ReadonlyMap<string, readonly FeatureResult[]>): string {
  const runtimes = [...table.keys()]
  const areas = [...new Set([...table.values()].flat().map(({ area }) => area))]
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`
  const counted = (results: readonly FeatureResult[]): string =>
    `${results.filter(({ outcome }) => outcome === 'ok').length} of ${results.length}`
  return [
    row(['area', ...runtimes]),
    `|${'---|'.repeat(runtimes.length + 1)}\n`,
    ...areas.map((area) =>
      row([area, ...[...table.values()].map((results) => counted(results.filter((each) => each.area === area)))]),
    ),
    row(['all', ...[...table.values()].map(counted)]),
  ].join('')
}

function exceptionsOf(table: ReadonlyMap<string, readonly FeatureResult[]>): string {
  const lines = EXCEPTIONS.flatMap(({ feature, runtimes, outcome, reason, when }) => {
    const without = [...table.keys()].filter((name) => runtimes.some((beginning) => name.startsWith(beginning)))
    if (without.length === 0 || !(when?.() ?? true)) return []
    const where = without.length === table.size ? 'each runtime' : without.join(', ')
    return [
      `| ${feature.replace(/^[a-z]+: /, '')} | ${where} | ${outcome === 'failed' ? 'fails' : outcome} | ${reason} |`,
    ]
  })
  if (lines.length === 0) return ''
  return ['| feature | under | result | reason |', '|---|---|---|---|', ...lines, ''].join('\n')
}
