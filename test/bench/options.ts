import { parseArgs } from 'node:util'

export interface BenchOptions {
  /** One short run of each measure, and no page. */
  readonly quick: boolean
  /** Names of measures; none are all of them. */
  readonly only: readonly string[]
  /** Paths of the programs `node` to measure. */
  readonly nodes: readonly string[]
  /** Writes the page from the figures of the last complete run. */
  readonly page: boolean
}

/** Reads the command line; throws for what it does not know. */
export function readBenchOptions(args: readonly string[], names: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      node: { type: 'string', multiple: true, default: [] },
      page: { type: 'boolean', default: false },
    },
  })
  const unknown = values.only.filter((name) => !names.includes(name))
  if (unknown.length > 0) throw new Error(`Unknown measure: ${unknown.join(', ')}. Known are ${names.join(', ')}.`)
  if (values.page && (values.quick || values.only.length > 0 || values.node.length > 0)) {
    throw new Error('--page measures nothing, so it takes no other option.')
  }
  return { quick: values.quick, only: values.only, nodes: values.node, page: values.page }
}

/** Only a complete run has what the page says. */
export function writesPage({ quick, only, nodes }: BenchOptions): boolean {
  return !quick && only.length === 0 && nodes.length === 0
}

export function usage(names: readonly string[]): string {
  return [
    'usage: npm run bench -- [--quick] [--only NAME]... [--node PATH]... | --page',
    '',
    '  --quick      one short run, in less than 90 seconds, without the page',
    `  --only NAME  ${names.slice(0, 6).join(', ')},`,
    `               ${names.slice(6).join(', ')}`,
    '  --node PATH  measures this Node, instead of the one that runs and the pinned one',
    '  --page       writes docs/benchmarks.md again, from the figures of the last complete run',
  ].join('\n')
}
