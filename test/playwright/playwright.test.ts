import { type ChildProcess, execFile } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { reservePort } from '../../src/index.js'
import { installPacked } from '../support/pack.js'

// Playwright of this checkout, without a browser; `npm run compat` has the oldest and the newest.

const root = join(import.meta.dirname, '../..')
const consumer = mkdtempSync(join(tmpdir(), 'portside-playwright-'))
const PLAYWRIGHT = join(root, 'node_modules/@playwright/test/cli.js')

const running = new Set<ChildProcess>()
let cjs: Run
let esm: Run

beforeAll(async () => {
  cpSync(join(root, 'fixtures/projects/playwright'), consumer, { recursive: true })
  await installPacked(inject('packed'), consumer)
  symlinkSync(join(root, 'node_modules/@playwright'), join(consumer, 'node_modules/@playwright'), 'junction')
  const runs = [run('playwright.config.ts', 'report.json'), run('esm.config.mjs', 'esm-report.json')]
  ;[cjs, esm] = (await Promise.all(runs)) as [Run, Run]
}, 180_000)
afterAll(async () => {
  // A run that takes too long would continue in a deleted folder.
  for (const child of running) child.kill('SIGINT')
  await Promise.all([...running].map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit')))
  rmSync(consumer, { recursive: true, force: true })
})

describe('a test of Playwright', () => {
  test.for([
    ['leaks a listener', 'unexpected', "LeakError: portside: 'leaks a listener' left 1 socket open."],
    ['leaks a client', 'expected', "LeakError: portside: 'leaks a client' left 2 sockets open."],
    ['leaks in afterEach', 'expected', "LeakError: portside: 'with a hook › leaks in afterEach' left 1 socket open."],
    ['uses a fixture that leaks', 'unexpected', "LeakError: portside: 'uses a fixture that leaks' left 1 socket open."],
    ['has a scope that fails to close', 'expected', 'Error: cannot undo'],
    ['is given a wrong option', 'expected', 'PortsideError: Invalid option "mod" of use.leaks: did you mean "mode"?'],
  ])('fails: %s', ([title = '', status, error]) => {
    expect(cjs.tests.get(title)).toMatchObject({ status, errors: [error] })
  })

  test.for([
    'closes what it opens',
    'has a scope',
    'uses the server of beforeAll',
    'leaves a listener open that a rule names',
    'leaves a listener open unchecked',
    'uses a fixture of the worker first',
    'uses it again, and keeps a connection alive',
    'uses a fixture that closes',
    'runs beside what beforeAll has left',
    'runs beside it, too',
    'leaks, and passes',
  ])('passes: %s', (title) => {
    expect(cjs.tests.get(title)).toMatchObject({ status: 'expected', errors: [] })
  })

  test('is checked again at a retry', () => {
    const error = "LeakError: portside: 'with a retry › leaks at the first attempt' left 1 socket open."
    expect(cjs.tests.get('leaks at the first attempt')).toMatchObject({ status: 'flaky', errors: [error] })
  })

  test('ends its serial group when it leaks', () => {
    expect(cjs.tests.get('is skipped behind a failure of a serial group')).toMatchObject({ status: 'skipped' })
  })

  test('shows the line that opened a socket, and how to close it', () => {
    const { output } = cjs
    expect(output).toMatch(/'leaks a listener' left 1 socket open\.\n\n +1\. listener .*\n +opened at +checked\/leaks/)
    expect(output).toMatch(/fix +call server\.close\(\)\n\n[\s\S]*? > +\d+ \| .*\.listen\(0/)
    expect(output).not.toMatch(/^ +at +opened at/m)
  })

  test('prints a leak and passes in the mode warn', () => {
    expect(cjs.output).toMatch(/^portside: 'leaks, and passes' left 1 socket open\.$/m)
  })
})

test('a socket that beforeAll leaves open fails the run when its worker ends', () => {
  expect(cjs.errors).toHaveLength(1)
  expect(cjs.errors[0]).toMatch(
    /^LeakError: portside: 1 socket left open\.\n\n1\. listener [\s\S]*opened at +checked\/left\./,
  )
  expect(cjs.code).toBe(1)
})

test('a run says once that the check is on, unless an option turns that off', () => {
  const announcements = ({ output }: Run) => output.match(/^portside: leak check .*$/gm)
  expect(announcements(cjs)).toEqual(['portside: leak check on, fail; kernel once a file'])
  expect(announcements(esm)).toBe(null)
})

describe('webServer()', () => {
  test.for(['CJS', 'ESM'])('starts a server on a port that is held, found by each worker: %s', (module) => {
    const { tests } = module === 'CJS' ? cjs : esm
    const title = 'has the server of the configuration, and its port is held'
    expect(tests.get(title)).toEqual({ status: 'expected', errors: [], projects: ['one', 'two'] })
  })

  test.skipIf(process.platform !== 'linux')('holds the port when the server has stopped', () => {
    expect(cjs.tests.get('has a port that stays held when its server stops')).toMatchObject({ status: 'expected' })
  })

  test('passes options to Playwright', () => {
    expect(esm.output).toContain('[WebServer] server listens')
    if (process.platform !== 'win32') expect(esm.output).toContain('[WebServer] server ends')
    expect(esm.code).toBe(0)
  })

  test('leaves nothing listening and no port held', async () => {
    const served = readFileSync(join(consumer, 'served.txt'), 'utf8').trim().split('\n')
    const ports = [...new Set(served)].map(Number)
    expect(ports).toHaveLength(2)
    for (const port of ports) await (await reservePort({ port: [port] })).release()
  })
})

interface Run {
  readonly code: number
  readonly output: string
  readonly errors: readonly string[]
  readonly tests: ReadonlyMap<string, Told>
}

interface Told {
  status: string
  readonly errors: string[]
  readonly projects: string[]
}

async function run(config: string, report: string): Promise<Run> {
  const { PORTSIDE_LEAKS: _, PORTSIDE_ANNOUNCE: __, NODE_OPTIONS: ___, ...env } = process.env
  const { code, output } = await new Promise<Pick<Run, 'code' | 'output'>>((resolve) => {
    const args = [PLAYWRIGHT, 'test', '-c', config]
    const child = execFile(process.execPath, args, { cwd: consumer, env }, (error, stdout, stderr) => {
      running.delete(child)
      resolve({ code: Number(error?.code ?? 0), output: stripVTControlCharacters(stdout + stderr) })
    })
    running.add(child)
  })
  const { suites, errors } = JSON.parse(readFileSync(join(consumer, report), 'utf8')) as Report
  return {
    code,
    output,
    errors: errors.map(({ message }) => stripVTControlCharacters(message)),
    tests: testsOf(suites),
  }
}

interface Report {
  readonly suites: readonly Suite[]
  readonly errors: ReadonlyArray<{ readonly message: string }>
}

interface Suite {
  readonly suites?: readonly Suite[]
  readonly specs: ReadonlyArray<{ readonly title: string; readonly tests: readonly Test[] }>
}

interface Test {
  readonly projectName: string
  readonly status: string
  readonly results: ReadonlyArray<{ readonly errors: ReadonlyArray<{ readonly message: string }> }>
}

/** The results by title, of several projects together. If a project skips a test, the results of the others count. */
function testsOf(suites: readonly Suite[], found = new Map<string, Told>()): Map<string, Told> {
  for (const { suites: inner = [], specs } of suites) {
    for (const { title, tests } of specs) {
      for (const { projectName, status, results } of tests) {
        const told = found.get(title) ?? { status, errors: [], projects: [] }
        found.set(title, told)
        if (status !== 'skipped') told.status = status
        told.projects.push(projectName)
        const messages = results.flatMap(({ errors }) => errors.map(({ message }) => message.split('\n')[0] ?? ''))
        told.errors.push(...messages.map(stripVTControlCharacters))
      }
    }
    testsOf(inner, found)
  }
  return found
}
