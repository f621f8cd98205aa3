import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { limited } from '../runners/consumers/limited.js'
import { packInto, project } from '../runners/consumers/project.js'
import { clientFiles, judged, runClient } from './client.js'

// What the report of a leak says to call, for clients as users have them. Each opens a connection to a stand-in and leaves it,
// which its test is told of; then another, which it closes by the text of that report. With arguments only clients whose names
// match one of them: `npm run clients -- pg redis`. Then clients that their tests leave between two attempts to connect: the report of
// the file has to name those tests, and no test that has closed its client. `-- --reconnecting` has these only.

const args = process.argv.slice(2)
const wanted = args.filter((argument) => !argument.startsWith('--')).map((expression) => new RegExp(expression))
// Beside others on this machine; what it starts has it, too.
setPriority(10)
const started = performance.now()
const folder = mkdtempSync(join(tmpdir(), 'portside-clients-'))
try {
  const installed = await project(join(folder, 'project'), 'clients', [await packInto(folder)])()
  copyFileSync(
    join(import.meta.dirname, '../runners/compat/node-reporter.mjs'),
    join(installed.folder, 'node-reporter.mjs'),
  )
  console.log(`installed in ${seconds(started)}`)
  const parts = { clients: report, reconnecting: reportRedials }
  for (const [part, reported] of Object.entries(parts)) {
    if (args.includes('--reconnecting') && part !== 'reconnecting') continue
    console.log(`\n${part}`)
    const names = clientFiles(join(installed.folder, part)).filter(
      (name) => wanted.length === 0 || wanted.some((expression) => expression.test(name)),
    )
    if (names.length === 0 || !(await reported(installed.folder, part, names))) process.exitCode = 1
  }
  console.log(`in ${seconds(started)}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** Runs them all, a line for each in its order, and tells whether all are right. */
async function report(project: string, part: string, names: readonly string[]): Promise<boolean> {
  const failed: string[] = []
  for (const { name, file, ended } of startAll(project, part, names)) {
    const { outcome, output, took } = await ended
    const { leaking, clean, complaints } = judged(outcome, file)
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
async function reportRedials(project: string, part: string, names: readonly string[]): Promise<boolean> {
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

function startAll(project: string, part: string, names: readonly string[]) {
  const slot = limited(availableParallelism())
  return names.map((name) => {
    const file = `${part}/${name}.test.mjs`
    const ended = slot(async () => {
      const begun = performance.now()
      return { ...(await runClient(project, file)), took: seconds(begun) }
    })
    return { name, file, ended }
  })
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`
}
