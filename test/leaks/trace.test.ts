import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'portside-trace-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Ways in which a package connects when its caller is no longer on the stack. */
const LATER: Readonly<Record<string, string>> = {
  'a timer': 'setTimeout(dial, 1)',
  'an immediate': 'setImmediate(dial)',
  'the next tick': 'process.nextTick(dial)',
  'a promise': 'Promise.resolve().then(dial)',
  'a lookup': "dns.lookup('127.0.0.1', dial)",
  'a file': 'fs.readFile(import.meta.filename, dial)',
  'all of them': `
    dns.lookup('127.0.0.1', () => setTimeout(async () => {
      await null
      process.nextTick(() => setImmediate(() => fs.readFile(import.meta.filename, dial)))
    }, 1))`,
}

const PACKAGE = `
import dns from 'node:dns'
import fs from 'node:fs'
import net from 'node:net'
export const later = {${Object.entries(LATER).map(
  ([name, code]) => `
  ${JSON.stringify(name)}(port) {
    const dial = () => net.connect(port, '127.0.0.1')
    ${code}
  }`,
)}
}
`

const INDEX = JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)
const PROGRAM = `
import { once } from 'node:events'
import { later } from 'lazy'
import { listenTcp, snapshotSockets, trackSockets, verifyNoLeaks } from ${INDEX}

const server = await listenTcp()
const reports = {}
for (const name of Object.keys(later)) {
  const since = snapshotSockets()
  trackSockets().run({ name: 'a test' }, () => callsThePackage(name))
  await once(server.server, 'connection')
  await verifyNoLeaks(since, { close: true }).catch(({ message }) => (reports[name] = message))
}
await server.close()
console.log(JSON.stringify(reports))

function callsThePackage(name) {
  later[name](server.port)
}
`

/** The report of each way, by its name. */
async function reports(env: NodeJS.ProcessEnv): Promise<Record<string, string>> {
  const project = mkdtempSync(join(folder, 'project-'))
  mkdirSync(join(project, 'node_modules/lazy'), { recursive: true })
  writeFileSync(join(project, 'node_modules/lazy/package.json'), '{ "type": "module", "exports": "./index.js" }')
  writeFileSync(join(project, 'node_modules/lazy/index.js'), PACKAGE)
  writeFileSync(join(project, 'program.mjs'), PROGRAM)
  const options = { cwd: project, env: { ...process.env, ...env } }
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), 'program.mjs'],
    options,
  )
  return JSON.parse(stdout)
}

test('PORTSIDE_TRACE=on finds the call of a package that connects later', async () => {
  const places = Object.entries(await reports({ PORTSIDE_TRACE: 'on' })).map(([name, text]) => [
    name,
    /^ {2}opened at +(.*)$/m.exec(text)?.[1],
  ])
  expect(Object.fromEntries(places)).toEqual(
    Object.fromEntries(Object.keys(LATER).map((name) => [name, 'program.mjs:18:14 in callsThePackage'])),
  )
})

test('without it, the report says how to find the line', async () => {
  const found = await reports({ PORTSIDE_TRACE: '' })
  expect(Object.keys(found)).toEqual(Object.keys(LATER))
  for (const text of Object.values(found)) {
    expect(text).toMatch(
      /opened at +node_modules\/lazy\/index\.js:\d+:\d+ by lazy; your code was not on the stack \(PORTSIDE_TRACE=on finds its line\)$/m,
    )
  }
})

test('another value of PORTSIDE_TRACE is invalid', async () => {
  await expect(reports({ PORTSIDE_TRACE: 'yes' })).rejects.toThrow(
    "Invalid `PORTSIDE_TRACE`: expected 'on' or 'off', got 'yes'",
  )
})
