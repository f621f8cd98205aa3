import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import * as portside from '../../src/index.js'
import { describeType } from '../../src/message.js'
import { PrivateHost } from '../../src/namespaces/host.js'
import { entriesOf } from '../support/entries.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { TRANSPILED } from '../support/program.js'
import { wrongWith } from './oracle.js'
import type { Result } from './program.js'
import { publicCalls } from './public-api.js'
import { VALUES } from './values.js'

leavesNothingOpen()

it('has an entry for every public function and method that takes arguments', () => {
  const entries = new Set(entriesOf(portside).map(({ is }) => is.replace(/ of .*/, '')))
  expect(publicCalls().filter((name) => !entries.has(name))).toEqual([])
})

it('finds no complaint in a few tries of each entry', async (context) => {
  const support = await portside.namespaceSupport()
  if (!support.supported) return context.skip(support.reason)
  const folder = mkdtempSync(join(tmpdir(), 'portside-fuzz-'))
  const program = fileURLToPath(new URL('program.ts', import.meta.url))
  const args = ['--build', fileURLToPath(TRANSPILED), '--seed', '1', '--sample', '4']
  await using host = await PrivateHost.start({}, { root: true })
  const child = host.spawn(process.execPath, ['--import', import.meta.resolve('tsx'), program, ...args], {
    cwd: folder,
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout!), text(child.stderr!)])
  rmSync(folder, { recursive: true, force: true })
  const lines = stdout.split('\n').filter((line) => line.startsWith('{"is"'))
  const results = lines.map((line) => JSON.parse(line) as Result)
  expect(results.length, stderr).toBe(entriesOf(portside).filter(({ greedy }) => greedy !== true).length)
  expect(results.flatMap(({ is, complaints }) => complaints.map((complaint) => `${is}: ${complaint}`))).toEqual([])
})

describe('a value in a message', () => {
  it.each(VALUES)('can be $name', ({ make }) => {
    expect(describeType(make())).toEqual(expect.any(String))
  })
})

it.each([
  ['an error without a code', new TypeError('x is not a function'), /^an error without code/],
  ['an error of Node', Object.assign(new TypeError('x'), { code: 'ERR_STREAM_X' }), /^a raw error of Node/],
  [
    'an error that does not name its argument',
    Object.assign(new TypeError('x'), { code: 'ERR_INVALID_ARG_TYPE' }),
    /^ERR_/,
  ],
  ['a long message', Object.assign(new Error('x'.repeat(70_000)), { code: 'EINVAL' }), /70000 characters/],
  ['undefined', undefined, /cannot be read/],
])('complains of %s', (_name, error, complaint) => {
  expect(wrongWith(error)).toMatch(complaint)
})
