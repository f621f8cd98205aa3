import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { labOf, setUp, versionOf } from './lab.js'
import { pinning, thisMachine } from './machine.js'
import { assertions } from './measures/assertions.js'
import { drain } from './measures/drain.js'
import { owners } from './measures/find-owners.js'
import { imports } from './measures/import.js'
import { leakCheck } from './measures/leak-check.js'
import { listen } from './measures/listen.js'
import { privateNetworks } from './measures/private-networks.js'
import { programs } from './measures/programs.js'
import { reserve } from './measures/reserve.js'
import { socketTable } from './measures/socket-table.js'
import { suites } from './measures/suites.js'
import { tracking } from './measures/tracking.js'
import { wholeProcess } from './measures/whole-process.js'
import { type BenchOptions, readBenchOptions, usage, writesPage } from './options.js'
import { renderPage } from './page.js'
import { installPeers, type Peers } from './peers.js'
import { renderPlot } from './plot.js'
import type { Measured, Report } from './report.js'
import { formatTable } from './table.js'

// Measures portside on this machine beside its peers. The bars are goals; CI does not check them.

const MEASURES = [
  suites,
  imports,
  wholeProcess,
  listen,
  reserve,
  tracking,
  leakCheck,
  socketTable,
  owners,
  assertions,
  programs,
  privateNetworks,
  // Last: other packages leave thousands of sockets in TIME_WAIT.
  drain,
]
const NAMES = MEASURES.map(({ name }) => name)
const root = join(import.meta.dirname, '../..')

const options = read()
if (options !== undefined) await bench(options)

function read(): BenchOptions | undefined {
  try {
    return readBenchOptions(process.argv.slice(2), NAMES)
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage(NAMES)}`)
    process.exitCode = 2
    return undefined
  }
}

async function bench(options: BenchOptions): Promise<void> {
  const peers = await installPeers()
  const last = join(peers.folder, 'report.json')
  if (options.page) return writePage(withSentencesOfToday(JSON.parse(readFileSync(last, 'utf8'))))
  const report = await measure(peers, options)
  if (!writesPage(options) || process.exitCode === 1) return
  writeFileSync(last, JSON.stringify(report))
  writePage(report)
}

/** The figures of an earlier run, under the titles and descriptions that the measures have now. */
function withSentencesOfToday(report: Report): Report {
  const measured = report.measured.map((one) => {
    const { name, title, about } = MEASURES.find(({ name }) => name === one.measure.name) ?? one.measure
    return { ...one, measure: { name, title, about } }
  })
  return { ...report, measured }
}

async function measure(peers: Peers, { quick, only, nodes }: BenchOptions): Promise<Report> {
  const date = new Date().toISOString().slice(0, 10)
  const machine = thisMachine()
  const { folder, remove } = await setUp(peers)
  try {
    const measured: Measured[] = []
    for (const node of nodes.length > 0 ? nodes : quick ? [process.execPath] : [process.execPath, peers.node]) {
      const version = versionOf(node)
      const cpu = pinning().length > 0 ? ', one process at a time on one CPU' : ''
      console.log(`\nNode ${version}, ${process.platform}${cpu}: medians, least .. most of the runs, bars`)
      const lab = labOf({ node, folder, quick })
      for (const { name, title, about, run } of MEASURES) {
        if (only.length > 0 && !only.includes(name)) continue
        const begun = performance.now()
        // A measure that fails leaves the figures of the others.
        const found = await run(lab).catch((error: Error) => {
          process.exitCode = 1
          return `it failed: ${error.message}`
        })
        const seconds = ((performance.now() - begun) / 1000).toFixed(1)
        console.log(`\n== ${title} (--only ${name}, ${seconds} s)`)
        if (typeof found === 'string') console.log(`skipped: ${found}`)
        else for (const table of found) console.log(formatTable(table))
        measured.push({ node: version, measure: { name, title, about }, found })
      }
    }
    return { date, machine, pinned: pinning().length > 0, peers: peers.versions, measured }
  } finally {
    remove()
  }
}

function writePage(report: Report): void {
  writeFileSync(join(root, 'docs/benchmarks.md'), renderPage(report))
  writeFileSync(join(root, 'docs/benchmarks.svg'), renderPlot(report))
  console.log('\nwrote docs/benchmarks.md and docs/benchmarks.svg')
}
