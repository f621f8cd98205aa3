import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { limited } from '../runners/consumers/limited.js'
import { packInto, project } from '../runners/consumers/project.js'
import { clientFiles, connectsLater, judged, runClient } from './client.js'

// Tests the call that the report of a leak names, with real clients. Each test leaks a connection to a stand-in and reads the report; a
// second test closes another connection by that text. With arguments, it runs only clients whose names match one of them: `npm run clients
// -- pg redis`. Clients that connect after the user's call has returned run again with PORTSIDE_TRACE, and then the report must name that
// call. Then come clients that their tests leave between two attempts to connect: the report of the file must name those tests, and no test
// that has closed its client. `-- --reconnecting` runs only these.

const args = process.argv.slice(2)
const wanted = args.filter((argument) => !argument.startsWith('--')).map((expression) => new RegExp(expression))
// It runs with low priority, and so do its children.
setPriority(10)
const started = performance.now()
let none = true
const PARTS = ['clients', 'followed', 'reconnecting'] as const
const folder = mkdtempSync(join(tmpdir(), 'portside-clients-'))
try {
  const installed = await project(join(folder, 'project'), 'clients', [await packInto(folder)])()
  copyFileSync(
    join(import.meta.dirname, '../runners/compat/node-reporter.mjs'),
    join(installed.folder, 'node-reporter.mjs'),
  )
  console.log(`installed in ${seconds(started)}`)
  for (const part of args.includes('--reconnecting') ? (['reconnecting'] as const) : PARTS) {
    console.log(`\n${part}`)
    const files = join(installed.folder, part === 'reconnecting' ? part : 'clients')
    const names = clientFiles(files).filter(
      (name) =>
        (wanted.length === 0 || wanted.some((expression) => expression.test(name))) &&
        (part !== 'followed' || connectsLater(join(files, `${name}.test.mjs`))),
    )
    if (names.length === 0) continue
    none = false
    const reported = part === 'reconnecting' ? reportRedials : report
    if (!(await reported(installed.folder, part, names))) process.exitCode = 1
  }
  if (none) throw new Error(`no client matches ${wanted.join(' or ')}`)
  console.log(`in ${seconds(started)}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

type Part = (typeof PARTS)[number]

/** Runs all of them, prints a line for each in order, and returns whether all are right. */
async function report(project: string, part: Part, names: readonly string[]): Promise<boolean> {
  const failed: string[] = []
  for (const { name, file, ended } of startAll(project, part, names)) {
    const { outcome, output, took } = await ended
    const { leaking, clean, complaints } = judged(outcome, file, part === 'followed')
    if (outcome.tests.length === 0) complaints.push('no test has run')
    const counts = `${leaking} leaking tests, ${clean} clean ones`
    console.log(`${name.padEnd(26)} ${counts}  ${took.padStart(7)}  ${complaints.length > 0 ? 'FAILED' : 'ok'}`)
    if (complaints.length > 0) failed.push([`== ${name}`, ...complaints, output.slice(-5000)].join('\n'))
  }
  for (const output of failed) console.log(`\n${output}`)
  console.log(`\n${names.length - failed.length} clients are ok, ${failed.length} FAILED`)
  return failed.length === 0
}

/** Whether the report of each file names the tests that left a client, and no other. */
async function reportRedials(project: string, part: Part, names: readonly string[]): Promise<boolean> {
  const failed: string[] = []
  for (const { name, ended } of startAll(project, part, names)) {
    const { outcome, output, took } = await ended
    const titles = outcome.tests.map(({ title }) => title)
    const said = outcome.files.join('\n')
    const complaints = titles.flatMap((title) => {
      const named = said.includes(title)
      if (named === title.startsWith('leaves')) return []
      return [`'${title}' is ${named ? '' : 'not '}reported`]
    })
    if (titles.length === 0) complaints.push('no test has run')
    const left = titles.filter((title) => title.startsWith('leaves')).length
    const counts = `${left} left, ${titles.length - left} not`
    console.log(`${name.padEnd(26)} ${counts}  ${took.padStart(7)}  ${complaints.length > 0 ? 'FAILED' : 'ok'}`)
    if (complaints.length > 0) failed.push([`== ${name}`, ...complaints, said, output.slice(-3000)].join('\n'))
  }
  for (const output of failed) console.log(`\n${output}`)
  console.log(`\n${names.length - failed.length} clients that reconnect are ok, ${failed.length} FAILED`)
  return failed.length === 0
}

function startAll(project: string, part: Part, names: readonly string[]) {
  const slot = limited(availableParallelism())
  return names.map((name) => {
    const file = `${part === 'reconnecting' ? part : 'clients'}/${name}.test.mjs`
    const ended = slot(async () => {
      const begun = performance.now()
      return { ...(await runClient(project, file, part === 'followed')), took: seconds(begun) }
    })
    return { name, file, ended }
  })
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`
}
