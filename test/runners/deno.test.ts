import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { checkPermissions, whyNotDeno } from '../../src/runners/deno-place.js'
import { isDenoTest } from '../../src/runners/this-runner.js'
import { TRANSPILED } from '../support/program.js'
import { runtimeBinary, whyNoBinary } from '../support/runtime-binaries.js'

const deno = runtimeBinary('deno')
/** Without the type check, which takes longer than most runs. */
const TEST = ['test', '--no-check']
const project = mkdtempSync(join(tmpdir(), 'portside-deno-'))

describe.skipIf(deno === undefined)(`deno test (${deno === undefined ? whyNoBinary('deno') : 'possible here'})`, () => {
  beforeAll(() => {
    cpSync(new URL('../../fixtures/projects/deno/', import.meta.url), project, { recursive: true })
    const [own, modules] = [new URL('../../node_modules/', import.meta.url), join(project, 'node_modules')]
    mkdirSync(join(modules, 'portside'), { recursive: true })
    // Deno looks for the dependencies of portside above the link, and not above its target.
    for (const name of readdirSync(own)) {
      if (name !== 'portside') symlinkSync(fileURLToPath(new URL(name, own)), join(modules, name), 'junction')
    }
    symlinkSync(fileURLToPath(TRANSPILED), join(modules, 'portside/src'), 'junction')
    const exports = { '.': './src/main.js', './deno': './src/runners/deno.js' }
    writeFileSync(join(modules, 'portside/package.json'), JSON.stringify({ name: 'portside', type: 'module', exports }))
  })
  afterAll(() => rmSync(project, { recursive: true, force: true }))

  it('fails each test that leaves a socket open, with the line, and no other test', async () => {
    const { output, code } = await run(['test', '-A', 'leaks_test.ts'])
    expect(output).toContain('portside: leak check on, fail; kernel after each test\n')
    expect(outcomes(output)).toEqual({
      'a listener': 'FAILED',
      'both ends of a connection': 'FAILED',
      'Deno.listen and Deno.connect': 'FAILED',
      'Deno.serve': 'FAILED',
      'a step': 'FAILED',
      'closes nothing of another test': 'FAILED',
      'clean: opens nothing': 'ok',
      'clean: closes what it opens': 'ok',
    })
    const places = [...output.matchAll(/opened at +leaks_test\.ts:(\d+)/g)].map(([, line]) => Number(line))
    // The listener and the client of a connection have a place each.
    expect(places).toEqual([14, 18, 22, 27, 28, 32, 38, 43])
    for (const fix of ['server.close()', 'listener.close()', 'conn.close()', 'server.shutdown()']) {
      expect(output).toContain(`call ${fix}`)
    }
    expect(code).toBe(1)
  })

  it('passes tests that close what they open, with the sanitizers of Deno', async () => {
    const { output, code } = await run([...TEST, '-A', '--sanitize-ops', '--sanitize-resources', 'clean_test.ts'])
    expect(output).not.toContain('LeakError')
    expect(output).toMatch(/\bok \| 4 passed \| 0 failed \| 1 ignored/)
    expect(code).toBe(0)
  })

  it('fails the file for what its hooks leave open', async () => {
    const { output, code } = await run([...TEST, '-A', 'file_test.ts'])
    expect(output).toMatch(/opened at +file_test\.ts:6:/)
    expect(outcomes(output)).toEqual({ 'uses a server that the file never closes': 'ok' })
    expect(output).toContain('./file_test.ts (uncaught error)')
    expect(code).toBe(1)
  })

  it('tells what a test has left open from what a pool, the file and other tests have', async () => {
    const { output } = await run([...TEST, '-A', 'natives_test.ts'])
    expect(
      Object.entries(outcomes(output)).filter(([name, outcome]) => (outcome === 'ok') !== name.startsWith('clean:')),
    ).toEqual([])
    expect(Object.keys(outcomes(output))).toHaveLength(14)
    const reports = Object.fromEntries(
      Array.from(
        output.matchAll(/^(leaves .*) => [\s\S]*?^error: .*LeakError: portside: (\d+) .*\n([\s\S]*?)\n\n(?=\S)/gm),
        ([, name, count, report = '']) => [
          name,
          [
            Number(count),
            ...new Set(
              Array.from(report.matchAll(/(?:opened|connect) at +natives_test\.ts:(\d+)/g), ([, line]) => Number(line)),
            ),
          ],
        ],
      ),
    )
    expect(reports).toEqual({
      'leaves a request of fetch without an answer': [2, 62],
      'leaves a WebSocket': [2, 71],
      'leaves a connection of Deno, to a port of fetch': [2, 75],
      'leaves a connection of Deno to a server of Node': [2, 80],
      'leaves a listener after a test that may': [1, 89],
    })
    // The late listener, which is an error of the file.
    expect(output).toMatch(/portside: 1 socket left open\.[\s\S]*opened at +natives_test\.ts:101:/)
    // That of the failed request.
    expect(output).toMatch(/natives_test\.ts:109:/)
  })

  it('shows the error of a hook before all tests, and what the hook has left open', async () => {
    const { output, code } = await run([...TEST, '-A', 'broken_test.ts'])
    expect(output).toContain('Error: the hook is broken')
    expect(output).toMatch(/opened at +broken_test\.ts:5:/)
    expect(code).toBe(1)
  })

  it.each(['null', '{ leaks: 3 }', '{ leaks: null }'])('refuses the options %s', async (options) => {
    writeFileSync(join(project, 'wrong.js'), `import { install } from 'portside/deno'\ninstall(${options})\n`)
    const { output, code } = await run([...TEST, '-A', '--preload', './wrong.js', 'clean_test.ts'])
    expect(output).toMatch(/expects an options object/)
    expect(code).toBe(1)
  })

  it('closes the scope of a test that fails, and refuses the scope outside of tests', async () => {
    const { output } = await run([...TEST, '-A', 'scope_test.ts'])
    expect(output).toContain('ERR_PORTSIDE_SCOPE_CLOSED')
    expect(output).not.toContain('LeakError')
    expect(outcomes(output)).toEqual({ 'closes after a failure': 'FAILED', 'has no test outside': 'ok' })
  })

  it('checks files that run at the same time, without the kernel', async () => {
    const { output } = await run([...TEST, '-A', '--parallel', 'leaks_test.ts', 'clean_test.ts', 'scope_test.ts'])
    expect(output).toContain('portside: leak check on, fail; kernel never\n')
    expect(output.match(/LeakError/g)).toHaveLength(4)
  })

  it.each([
    ['warn', /portside: 1 socket left open/],
    ['off', /portside: leak check off/],
  ])('fails no test with PORTSIDE_LEAKS=%s', async (mode, said) => {
    const { output, code } = await run([...TEST, '-A', '--filter', 'a listener', 'leaks_test.ts'], {
      PORTSIDE_LEAKS: mode,
    })
    expect(output).toMatch(said)
    expect(outcomes(output)).toEqual({ 'a listener': 'ok' })
    expect(code).toBe(0)
  })

  it('takes the options of a module that is preloaded', async () => {
    writeFileSync(
      join(project, 'options.js'),
      "import { install } from 'portside/deno'\ninstall({ announce: false, leaks: { ignore: [{ kind: 'listener' }] } })\n",
    )
    const { output, code } = await run([
      ...TEST,
      ...['-A', '--preload', './options.js', '--filter', 'a listener'],
      'leaks_test.ts',
    ])
    expect(output).not.toContain('portside: leak check')
    expect(code).toBe(0)
  })

  it('checks sockets of Node with the permissions that it names, and refuses to start without them', async () => {
    const args = ['--allow-read', '--allow-net', '--filter', 'a listener', 'leaks_test.ts']
    const permitted = await run([...TEST, '--allow-env', ...args])
    expect(permitted.output).toMatch(/opened at +leaks_test\.ts:14:/)
    const refused = await run([...TEST, ...args])
    expect(refused.output).toContain('Deno does not permit to read the environment')
    expect(refused.output).toContain('--allow-env')
    expect(refused.code).toBe(1)
  })

  it('says what to write outside of deno test', async () => {
    writeFileSync(join(project, 'outside.js'), "import 'portside/deno'\n")
    const { output, code } = await run(['run', '-A', 'outside.js'])
    expect(output).toContain('Cannot use portside/deno here.')
    expect(output).toContain('deno test does not run this file')
    expect(code).toBe(1)
  })
})

test('the entry says what to write in another runner', async () => {
  await expect(import('../../src/runners/deno.js')).rejects.toThrow(
    /^Cannot use portside\/deno here\.\n.*Vitest runs.*\n.*portside\/vitest\/plugin/,
  )
})

test.each([
  ['in another runtime', undefined, false],
  ['in a Deno without hooks', {}, false],
  ['in deno run, where hooks check nothing', { beforeEach: () => {} }, false],
  [
    'in deno test',
    {
      beforeEach: () => {
        throw new TypeError('no function')
      },
    },
    true,
  ],
])('deno test runs a file: %s', (_, api, expected) => {
  expect(isDenoTest(api)).toBe(expected)
})

test.each([
  ['another runtime', undefined, undefined, 'this runtime is not Deno'],
  ['a Deno that is too old', {}, '2.7.14', "Deno 2.7.14 does not report the sockets of Node's modules"],
  ['deno run', { beforeEach: () => {} }, '2.8.0', 'deno test does not run this file'],
])('the entry is refused in %s', (_, api, version, because) => {
  expect(whyNotDeno(api, version)).toMatch(because)
})

test('the permission of the environment is required', () => {
  const permissions = (state: string) => ({ querySync: () => ({ state }) })
  expect(() => checkPermissions(permissions('prompt'))).toThrow('--allow-env')
  expect(() => checkPermissions(permissions('granted'))).not.toThrow()
})

async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<{ output: string; code: number }> {
  const child = spawn(deno?.program ?? 'deno', args, {
    cwd: project,
    env: { ...process.env, NO_COLOR: '1', DENO_NO_UPDATE_CHECK: '1', DENO_NO_PROMPT: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, errors, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number>((resolve) => void child.once('close', resolve)),
  ])
  return { output: stripVTControlCharacters(`${errors}${out}`), code }
}

/** `a listener ... FAILED (12ms)`; a test that prints has its name twice. */
const outcomes = (output: string): Record<string, string> =>
  Object.fromEntries(
    Array.from(output.matchAll(/^(\S.*) \.\.\. (ok|FAILED) \(/gm), ([, name, outcome]) => [name, outcome]),
  )
