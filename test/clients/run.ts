import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { limited } from '../runners/consumers/limited.js'
import { packInto, project } from '../runners/consumers/project.js'
import { clientFiles, judged, runClient } from './client.js'

// What the report of a leak says to call, for clients as users have them. Each opens a connection to a stand-in and leaves it,
// which its test is told of; then another, which it closes by the text of that report. With arguments only clients whose names
// match one of them: `npm run clients -- pg redis`. `npm run clients -- --reconnecting` prints what becomes of clients that
// their tests leave between two attempts to connect.

const args = process.argv.slice(2)
const folderOf = args.includes('--reconnecting') ? 'reconnecting' : 'clients'
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
  const names = clientFiles(join(installed.folder, folderOf)).filter(
    (name) => wanted.length === 0 || wanted.some((expression) => expression.test(name)),
  )
  if (!(await report(installed.folder, names))) process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** Runs them all, a line for each in its order, and tells whether all are right. */
async function report(project: string, names: readonly string[]): Promise<boolean> {
  const slot = limited(availableParallelism())
  const running = names.map((name) => ({ name, checked: slot(() => checked(project, name)) }))
  const failed: string[] = []
  for (const { name, checked } of running) {
    const { leaking, clean, complaints, said, took } = await checked
    console.log(
      `${name.padEnd(26)} ${leaking} leaking tests, ${clean} clean ones  ${took.padStart(7)}  ${complaints.length > 0 ? 'FAILED' : 'ok'}`,
    )
    if (folderOf === 'reconnecting') console.log(said)
    if (complaints.length > 0) failed.push([`== ${name}`, ...complaints].join('\n'))
  }
  for (const output of failed) console.log(`\n${output}`)
  console.log(`\n${names.length - failed.length} clients are ok, ${failed.length} FAILED, in ${seconds(started)}`)
  return failed.length === 0 && names.length > 0
}

async function checked(project: string, name: string) {
  const begun = performance.now()
  const file = `${folderOf}/${name}.test.mjs`
  const { outcome, output } = await runClient(project, file)
  const { leaking, clean, complaints } = judged(outcome, file)
  if (outcome.tests.length === 0 || complaints.length > 0) complaints.push(output.slice(-5000))
  const said = outcome.tests
    .map((test) => `${test.failed ? 'failed' : 'passed'}: ${test.title}\n${test.said}`)
    .join('\n')
  return { leaking, clean, complaints, said, took: seconds(begun) }
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`
}
