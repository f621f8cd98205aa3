import { readdirSync, readFileSync } from 'node:fs'
import { type Outcome, readNodeEvents } from '../runners/compat/outcome.js'
import { run } from '../runners/consumers/project.js'

/** The files of a folder of the project, one for each client. */
export const clientFiles = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.test.mjs'))
    .map((name) => name.replace('.test.mjs', ''))
    .sort()

/** Whether a file has a client that connects after the user's call has returned. */
export const connectsLater = (path: string): boolean => /\bby: '/.test(readFileSync(path, 'utf8'))

/** Runs such a file under the leak check of node:test; `followed` with PORTSIDE_TRACE. */
export async function runClient(
  project: string,
  file: string,
  followed: boolean,
): Promise<{ outcome: Outcome; output: string }> {
  const options = ['--import', 'portside/node-test', '--test', '--test-reporter=./node-reporter.mjs']
  const env = { PORTSIDE_TRACE: followed ? 'on' : '' }
  const output = await run(process.execPath, [...options, file], project, env).catch(
    // It did not exit on its own, and was killed.
    ({ stdout = '', stderr = '', message }) => `${stdout}${stderr}${message}`,
  )
  return { outcome: readNodeEvents(output), output }
}

/** How many tests are right, and what is wrong with the others. */
export function judged(
  { tests, files }: Outcome,
  file: string,
  followed: boolean,
): { leaking: number; clean: number; complaints: string[] } {
  const complaints = files.map((said) => `of the file: ${said}`)
  let [leaking, clean] = [0, 0]
  for (const { title, failed, said } of tests) {
    const wrong = title.startsWith('leaks ')
      ? wrongReport(title, said, file, followed)
      : failed
        ? 'has failed'
        : undefined
    if (wrong !== undefined) complaints.push(`'${title}' ${wrong}: ${said}`)
    else if (title.startsWith('leaks ')) leaking++
    else clean++
  }
  // Each case has both tests.
  if (leaking !== clean && complaints.length === 0) complaints.push(`${leaking} leaking tests and ${clean} clean ones`)
  return { leaking, clean, complaints }
}

/** `leaks knex on pg, an instance by knex: knex.destroy()` says what its report must contain. */
function wrongReport(title: string, said: string, file: string, followed: boolean): string | undefined {
  const [, by, fix] = /^leaks .*?(?: by (\S+))?: (.+)$/.exec(title) ?? []
  if (!said.includes(`'${title}' left `)) return 'has no report of its leak'
  const fixes = new Set([...said.matchAll(/^ {2}fix {8}call (.+)$/gm)].map(([, call]) => call))
  if (fixes.size !== 1 || !fixes.has(fix)) return `has a report that says to call ${[...fixes].join(' and ')}`
  const place = by === undefined || followed ? `  opened at  ${file}:` : ` by ${by}; your code was not on the stack`
  return said.includes(place) ? undefined : `has a report without '${place}'`
}
