import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { listenTcp } from '../../src/index.js'
import { TRANSPILED } from '../support/program.js'

// A client that throws when its connection closes, such as a pool of pg without a listener for 'error'. Only another process can end by it.

const BODY = `
  const socket = net.connect(process.env.PORT, process.env.ADDRESS)
  await once(socket, 'connect')
  socket.once('close', () => new EventEmitter().emit('error', new Error('minds')))`
const IMPORTS = `import { EventEmitter, once } from 'node:events'\nimport net from 'node:net'\n`

const entry = (name: string): string => new URL(`runners/${name}.js`, TRANSPILED).href

/** Runs a test file, and returns how the run ended and what it printed. */
async function runFile(runner: 'node:test' | 'jest', mode: string): Promise<{ code: number; output: string }> {
  const server = await listenTcp()
  onTestFinished(() => void server.close({ grace: 0 }))
  const folder = mkdtempSync(join(tmpdir(), 'portside-objecting-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'leaves.test.mjs')
  const call = runner === 'jest' ? '' : `import test from 'node:test'\n`
  writeFileSync(file, `${IMPORTS}${call}test('leaves', async () => {${BODY}\n})\n`)
  const config = { rootDir: folder, testEnvironment: entry('jest-environment'), transform: {}, watchman: false }
  const args =
    runner === 'jest'
      ? [
          '--experimental-vm-modules',
          join(import.meta.dirname, '../../node_modules/jest/bin/jest.js'),
          ...['--runInBand', '--testMatch=**/*.test.mjs', `--config=${JSON.stringify(config)}`],
        ]
      : ['--import', entry('node-test'), '--test', file]
  const { NODE_TEST_CONTEXT: _, VITEST: __, ...env } = process.env
  const program = spawn(process.execPath, args, {
    cwd: folder,
    env: { ...env, PORT: String(server.port), ADDRESS: server.address, PORTSIDE_LEAKS: mode },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [program.stdout, program.stderr]) stream.on('data', (text) => (output += text))
  const [code] = await once(program, 'close')
  return { code, output }
}

test.for(['node:test', 'jest'] as const)('%s does not fail with warn, and ends', async (runner) => {
  const { code, output } = await runFile(runner, 'warn')
  expect(output).toContain("'leaves' left 1 socket open")
  expect(output).not.toContain('minds')
  expect(code).toBe(0)
})

test.for(['node:test', 'jest'] as const)('%s fails with the report and its summary', async (runner) => {
  const { code, output } = await runFile(runner, 'fail')
  expect(output).toContain("'leaves' left 1 socket open")
  expect(output).toContain('portside: a client threw when its leaked socket closed')
  expect(output).toMatch(/^(. fail 1|Tests: +1 failed, 1 total)$/m)
  expect(code).toBe(1)
})
