import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { installPacked } from '../support/pack.js'

// Tests how the runners of this checkout load the leak check. `npm run compat` tests all versions of all runners.

const root = join(import.meta.dirname, '../..')
const consumer = mkdtempSync(join(tmpdir(), 'portside-entries-'))
const VITEST = join(root, 'node_modules/vitest/vitest.mjs')
const JEST = join(root, 'node_modules/jest/bin/jest.js')

beforeAll(async () => {
  cpSync(join(root, 'fixtures/projects/entries'), consumer, { recursive: true })
  await installPacked(inject('packed'), consumer)
  mkdirSync(join(consumer, 'node_modules'), { recursive: true })
  for (const name of ['vitest', 'jest-environment-node', 'jest-runner', 'expect', '@jest']) {
    symlinkSync(join(root, 'node_modules', name), join(consumer, 'node_modules', name), 'junction')
  }
  mkdirSync(join(consumer, 'node_modules/later'))
  writeFileSync(
    join(consumer, 'node_modules/later/index.js'),
    "exports.open = async () => { await null; require('node:net').createServer().listen(0, '127.0.0.1') }",
  )
})
afterAll(() => rmSync(consumer, { recursive: true, force: true }))

describe.concurrent('Vitest', () => {
  test('sets everything up by the plugin: options of each project, one line for the run, and the main process', async () => {
    const { output, errors, code } = await start([VITEST, 'run', '--config', 'plugin.config.mjs'])
    expect(announcements(errors)).toEqual([
      'portside: leak check on, fail; kernel once a file (fails) | on, warn; kernel once a file (warns) | off (none)',
    ])
    expect(output).toMatch(/Tests +1 failed \| 4 passed/)
    expect(errors).toMatch(/^portside: \d+ sockets? left open in the main process of Vitest\.\n\n1\. listener /m)
    expect(errors).toMatch(/opened at +server\.cjs:\d+/)
    expect(errors).not.toContain('close timed out')
    expect(code).toBe(1)
  })

  // `npm run compat` also tests the other pools.
  test.for(['forks', 'vmThreads'])(
    'reports the line of the source file, not of the compiled file: %s',
    async (pool) => {
      const { errors } = await start([VITEST, 'run', '--config', 'lines.config.mjs', 'lines.test', `--pool=${pool}`])
      expect(errors).toMatch(/opened at +lines\/lines\.test\.ts:8:40$/m)
      expect(errors).toMatch(/❯ lines\/lines\.test\.ts:8:40/)
    },
  )

  test('does not report a global set-up that closes its server', async () => {
    const args = ['run', '--config', 'plugin.config.mjs', '--project', 'warns']
    const { errors, code } = await start([VITEST, ...args], {
      CLOSES: '1',
      PORTSIDE_LEAKS: 'fail',
      PORTSIDE_ANNOUNCE: 'off',
    })
    expect(announcements(errors)).toEqual([])
    expect(errors).not.toContain('main process')
    // PORTSIDE_LEAKS overrides the options.
    expect(code).toBe(1)
  })

  test('checks each file once when portside/vitest is a setup file', async () => {
    const { output, errors } = await start([VITEST, 'run', '--config', 'setup.config.mjs'])
    expect(announcements(errors)).toEqual(['portside: leak check on, fail; kernel once a file'])
    expect(errors.match(/'leaks' left 1 socket open/g)).toHaveLength(2)
    expect(output).toMatch(/Tests +2 failed \| 3 passed/)
  })

  test('fails when plugins has the function instead of its result', async () => {
    const { errors, code } = await start([VITEST, 'run', '--config', 'not-called.config.mjs'])
    expect(errors).toContain('write plugins: [portside()]')
    expect(code).toBe(1)
  })

  test('says that the check is off when no project has the plugin', async () => {
    const { errors } = await start([VITEST, 'run', '--config', 'without-extends.config.mjs'])
    expect(announcements(errors)).toEqual([expect.stringMatching(/^portside: leak check off: .* write extends: true/)])
  })

  test.for(['portside', 'portside/node-test'])('fails when NODE_OPTIONS has %s', async (entry) => {
    const args = [VITEST, 'run', '--config', 'lines.config.mjs']
    const { errors, code } = await start(args, { NODE_OPTIONS: `--import ${entry}` })
    expect(errors).toContain(`Cannot use ${entry} here`)
    expect(errors).toContain('write plugins: [portside()]')
    expect(code).toBe(1)
  })

  test('names the line of a test that awaits a package which connects', async () => {
    const { errors } = await start([VITEST, 'run', '--config', 'lines.config.mjs', 'awaits'])
    expect(errors).toMatch(/opened at +lines\/awaits\.test\.ts:10:40$/m)
  })

  test.for(['portside/vitest/plugin', 'portside'])('fails when %s is a setup file', async (entry) => {
    const args = [VITEST, 'run', '--config', 'setup.config.mjs']
    const { output, errors, code } = await start(args, { SETUP_FILE: entry })
    expect(output + errors).toContain(`Cannot use ${entry} here`)
    expect(code).toBe(1)
  })
})

describe.concurrent('Jest', () => {
  test('sets everything up by the preset and keeps the settings of the user', async () => {
    const { errors, code } = await start([JEST, '--config', 'preset.config.cjs', '--watchman=false', '--maxWorkers=2'])
    expect(announcements(errors).filter((line) => line.includes('check on'))).toEqual([
      'portside: leak check on, fail; kernel once a file',
    ])
    expect(errors).toMatch(/^portside: leak check off in .*other-environment\.test\.cjs: its testEnvironment is not/m)
    expect(errors).toMatch(/^Tests: +1 failed, 4 passed/m)
    expect(errors).toMatch(/^portside: 1 socket left open in the main process of Jest\.\n\n1\. listener /m)
    expect(errors).not.toContain('Jest did not exit')
    expect(code).toBe(1)
  })

  test.for(['--runInBand', '--maxWorkers=2'])(
    'says that the check is off when no project has the preset: %s',
    async (how) => {
      const { errors } = await start([JEST, '--config', 'preset-at-the-root.config.cjs', '--watchman=false', how])
      expect(announcements(errors)).toEqual([expect.stringMatching(/^portside: leak check off: .* in each project$/)])
    },
  )

  test.for(['portside', 'portside/node-test'])('fails when NODE_OPTIONS has %s', async (entry) => {
    const args = [JEST, '--config', 'preset.config.cjs', '--watchman=false']
    const { errors, code } = await start(args, { NODE_OPTIONS: `--import ${entry}` })
    expect(errors).toContain("write preset: 'portside', in the configuration of Jest")
    expect(code).toBe(1)
  })

  test('reports the name of the function that opens a socket, and not of a function that it calls', async () => {
    const config = JSON.stringify({ preset: 'portside', testMatch: ['<rootDir>/jest/named.test.js'] })
    const { errors } = await start([JEST, '--config', config, '--watchman=false'])
    expect(errors).toMatch(/opened at +jest\/named\.test\.js:11:22 in opens$/m)
    expect(errors).toMatch(/opened at +jest\/named\.test\.js:6:37$/m)
  })

  test('fails when an entry is in the wrong place, and says what to write', async () => {
    const args = ['--config', 'misplaced.config.cjs', '--watchman=false', '--runInBand']
    const { errors, code } = await start(['--experimental-vm-modules', JEST, ...args])
    expect(errors).toMatch(/^Tests: +3 passed, 3 total/m)
    const fixes = [...errors.matchAll(/^ +fix +(.*)$/gm)].map(([, fix]) => fix)
    expect(fixes.sort()).toEqual([
      'put it into portside: { portside: { leaks: ... } }',
      'write install(expect) of portside/jest, with the expect of @jest/globals, into a file of setupFilesAfterEnv',
      ...Array(2).fill("write preset: 'portside'"),
      ...Array(2).fill("write preset: 'portside', in the configuration of Jest"),
      "write runner: 'portside/jest-runner'",
      "write runner: 'portside/jest-runner' next to testEnvironmentOptions",
      "write setupFilesAfterEnv: ['portside/jest']",
      "write setupFilesAfterEnv: ['portside/jest'] for the matchers, or preset: 'portside' for the leak check too",
      ...Array(3).fill("write testEnvironment: 'portside/jest-environment'"),
    ])
    expect(code).toBe(1)
  })
})

describe.concurrent('node:test', () => {
  const FILES = ['--test', '--test-reporter=tap', 'node-test/one.test.mjs', 'node-test/two.test.mjs']

  test.for([
    ['--import', 'portside/node-test', 'fail'],
    ['--require', 'portside/node-test', 'fail'],
    ['--import', './node-test/warn.mjs', 'warn'],
  ] as const)('says once that it is on: %s %s', async ([how, what, mode]) => {
    const { output, errors, code } = await start([how, what, ...FILES])
    // Node passes on the standard error of a file as a comment.
    expect(announcements(`${output}${errors}`)).toEqual([`portside: leak check on, ${mode}; kernel once a file`])
    expect(output.match(/^# tests/gm)).toHaveLength(1)
    expect(code).toBe(0)
  })

  test.for([
    ['portside', 'write node --import portside/node-test --test'],
    ['portside/mocha', 'write node --import portside/node-test --test'],
    ['portside/jest', 'write node --import portside/node-test --test'],
  ] as const)('fails for %s, and says what to write', async ([entry, fix]) => {
    const { output, errors, code } = await start(['--require', entry, ...FILES])
    expect(`${output}${errors}`).toContain(fix)
    expect(code).toBe(1)
  })
})

const announcements = (output: string): string[] =>
  [...output.matchAll(/^(?:# )?(portside: leak check .*)$/gm)].map(([, line = '']) => line)

interface Outcome {
  readonly output: string
  readonly errors: string
  readonly code: unknown
}

/** Starts a runner as a user would, without the variables that mark this process as a worker of Vitest. */
function start(args: string[], more: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const own = Object.entries(process.env).filter(([name]) => !/^(?:VITEST|NODE_OPTIONS|TEST$|PORTSIDE)/.test(name))
  const env = { ...Object.fromEntries(own), NO_COLOR: '1', ...more }
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: consumer, env }, (error, output, errors) =>
      resolve({ output, errors, code: error?.code ?? 0 }),
    )
  })
}
