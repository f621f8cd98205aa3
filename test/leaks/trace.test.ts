import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'portside-trace-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A package that dials when its caller is no longer on the stack, in each of these ways. */
const LATER: Readonly<Record<string, string>> = {
  'a timer': 'setTimeout(dial, 1)',
  'an immediate': 'setImmediate(dial)',
  'the next tick': 'process.nextTick(dial)',
  'a promise': 'Promise.resolve().then(dial)',
  'a lookup': "dns.lookup('127.0.0.1', dial)",
  'a file': 'fs.readFile(import.meta.filename, dial)',
  'all of them, one by one': `
    dns.lookup('127.0.0.1', () => setTimeout(async () => {
      await null
      process.nextTick(() => setImmediate(() => fs.readFile(import.meta.filename, dial)))
    }, 1))`,
}

const PROGRAM = `
import { listenTcp, snapshotSockets, trackSockets, verifyNoLeaks } from ${JSON.stringify(join(import.meta.dirname, '../../src/index.ts'))}
import { once } from 'node:events'
import { open } from 'lazy'

const server = await listenTcp()
const since = snapshotSockets()
trackSockets().run({ name: 'a test' }, () => callsThePackage(server.port))
await once(server.server, 'connection')
await verifyNoLeaks(since, { close: true }).catch(({ message }) => console.log(message))
await server.close()

function callsThePackage(port) {
  open(port)
}
`

async function reported(later: string, env: NodeJS.ProcessEnv): Promise<string> {
  const project = mkdtempSync(join(folder, 'project-'))
  mkdirSync(join(project, 'node_modules/lazy'), { recursive: true })
  writeFileSync(join(project, 'node_modules/lazy/package.json'), '{ "type": "module", "exports": "./index.js" }')
  writeFileSync(
    join(project, 'node_modules/lazy/index.js'),
    `import dns from 'node:dns'
import fs from 'node:fs'
import net from 'node:net'
export function open(port) {
  const dial = () => net.connect(port, '127.0.0.1')
  ${later}
}`,
  )
  writeFileSync(join(project, 'program.mjs'), PROGRAM)
  const options = { cwd: project, env: { ...process.env, ...env } }
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', TSX, 'program.mjs'], options)
  return stdout
}

const TSX = import.meta.resolve('tsx')

test.concurrent.for(Object.entries(LATER))(
  'PORTSIDE_TRACE=on finds who has called a package that dials by %s',
  async ([, later]) => {
    const text = await reported(later, { PORTSIDE_TRACE: 'on' })
    expect(text).toMatch(/^ {2}opened at +program\.mjs:14:3 in callsThePackage$/m)
  },
)

test('without it, the report says how to find the line', async () => {
  const text = await reported('setTimeout(dial, 1)', {})
  expect(text).toMatch(
    /opened at +node_modules\/lazy\/index\.js:\d+:\d+ by lazy; your code was not on the stack \(PORTSIDE_TRACE=on finds its line\)$/m,
  )
})

test('another value than on is refused', async () => {
  await expect(reported('dial()', { PORTSIDE_TRACE: 'yes' })).rejects.toThrow(
    "Invalid `PORTSIDE_TRACE`: expected 'on', got 'yes'",
  )
})
