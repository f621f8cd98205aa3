// Runs the list of features under this runtime: `node features.mjs DIST OUTPUT.json [PATTERN]`. DIST is the folder of the built package.
// OUTPUT gets `[{ name, area, outcome: 'ok' | 'unsupported' | 'failed', detail }]`. 'unsupported' is ERR_PORTSIDE_UNSUPPORTED, and `detail` is
// its message. Without OUTPUT, or with `-`, it prints a line for each. The list is plain JavaScript for every runtime.
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { command } from './features/command.mjs'
import { drain } from './features/drain.mjs'
import { endpoints } from './features/endpoints.mjs'
import { errors } from './features/errors.mjs'
import { leaks } from './features/leaks.mjs'
import { ports } from './features/ports.mjs'
import { programs } from './features/programs.mjs'
import { servers } from './features/servers.mjs'
import { tables } from './features/tables.mjs'

const [, , dist = 'dist', output = '-', pattern = ''] = process.argv
const folder = resolve(dist)
const entry = (name) => import(pathToFileURL(join(folder, name)).href)
const portside = await entry('index.js')
const given = { ...portside, portside, entry, dist: folder }

const LIMIT = 20_000
const areas = { servers, drain, ports, programs, endpoints, errors, tables, leaks, command }
const results = []
for (const [area, features] of Object.entries(areas)) {
  for (const [name, run] of Object.entries(features)) {
    if (!new RegExp(pattern).test(`${area}: ${name}`)) continue
    const result = { name, area, ...(await outcomeOf(run)) }
    results.push(result)
    if (output === '-') console.log(`${result.outcome.padEnd(12)} ${area}: ${name}  ${result.detail}`)
    // Written after each feature, so that the results stay if the process dies.
    else writeFileSync(output, JSON.stringify(results, undefined, 2))
  }
}
if (output === '-') {
  console.log(`${results.filter(({ outcome }) => outcome === 'ok').length} of ${results.length} are ok`)
}
// Features that failed may have left something open.
process.exit(0)

async function outcomeOf(run) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${LIMIT} ms`)), LIMIT)
  })
  try {
    const detail = await Promise.race([run(given), late])
    return { outcome: 'ok', detail: typeof detail === 'string' ? detail : '' }
  } catch (error) {
    const message = String(error?.message ?? error).replaceAll('\n', ' ')
    const outcome = error?.code === 'ERR_PORTSIDE_UNSUPPORTED' ? 'unsupported' : 'failed'
    return { outcome, detail: message.slice(0, 400) }
  } finally {
    clearTimeout(timer)
  }
}
