import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { isPreloadedByBun } from '../../src/runners/bun-test.js'
import { TRANSPILED } from '../support/program.js'
import { runtimeBinary, whyNoBinary } from '../support/runtime-binaries.js'

const bun = runtimeBinary('bun')
const project = mkdtempSync(join(tmpdir(), 'portside-bun-'))

describe.skipIf(bun === undefined)(`bun test (${bun === undefined ? whyNoBinary('bun') : 'possible here'})`, () => {
  beforeAll(() => {
    cpSync(new URL('../../fixtures/projects/bun/', import.meta.url), project, { recursive: true })
    const portside = join(project, 'node_modules/portside')
    mkdirSync(portside, { recursive: true })
    symlinkSync(fileURLToPath(TRANSPILED), join(portside, 'src'), 'junction')
    const exports = { '.': './src/main.js', './bun': './src/runners/bun.js' }
    writeFileSync(join(portside, 'package.json'), JSON.stringify({ name: 'portside', type: 'module', exports }))
  })
  afterAll(() => rmSync(project, { recursive: true, force: true }))

  it('fails each test that leaves a socket open, with the line, and the end of the run for concurrent tests', async () => {
    const { output, code } = await run(['test', 'leaks.test.js'])
    expect(output).toContain('portside: leak check on, fail; kernel after each test\n')
    expect(outcomes(output)).toEqual({
      'a listener': 'fail',
      'both ends of a connection': 'fail',
      'Bun.serve': 'fail',
      'Bun.listen and Bun.connect': 'fail',
      fails: 'fail',
      'its first attempt (attempt 2)': 'pass',
      'times out': 'fail',
      'at the same time > one': 'pass',
      'at the same time > none': 'pass',
      '(unnamed)': 'fail',
    })
    const places = [...output.matchAll(/opened at +leaks\.test\.js:(\d+)/g)].map(([, line]) => Number(line))
    // The listener and the client of a connection have a place each.
    expect([...new Set(places)]).toEqual([9, 13, 16, 21, 25, 26, 30, 38, 44, 50])
    expect(output).not.toContain('outside of a test')
    expect(code).toBe(1)
  })

  it('passes tests that close what they open, and connections that fetch keeps', async () => {
    const { output, code } = await run(['test', 'clean.test.js'])
    expect(output).not.toMatch(/LeakError|\(fail\)/)
    expect(output).toMatch(/\b8 pass\n 1 skip\n 1 todo\n 0 fail/)
    expect(code).toBe(0)
  })

  it('tells what a test has left open from what a pool, the file and other tests have', async () => {
    const { output } = await run(['test', 'natives.test.js'])
    const wrong = Object.entries(outcomes(output)).filter(
      ([name, outcome]) => (outcome === 'pass') !== name.startsWith('clean:'),
    )
    expect(wrong).toEqual([])
    expect(Object.keys(outcomes(output))).toHaveLength(10)
    const places = [...output.matchAll(/(?:opened|connect) at +natives\.test\.js:(\d+)/g)].map(([, line]) =>
      Number(line),
    )
    expect([...new Set(places)]).toEqual([64, 73, 77, 81, 91])
  })

  it('checks each repetition of a file', async () => {
    const { output } = await run(['test', '--rerun-each', '2', 'leaks.test.js', '-t', 'a listener'])
    expect(output.match(/\(fail\) a listener/g)).toHaveLength(2)
  })

  it('reports what a file leaves open when the run ends, and names the file', async () => {
    const { output, code } = await run(['test', 'file.test.js'])
    expect(output).toMatch(/opened at +file\.test\.js:5:/)
    expect(output).toContain('outside of a test, in file.test.js')
    expect(outcomes(output)).toEqual({ 'uses a server that the file never closes': 'pass', '(unnamed)': 'fail' })
    expect(code).toBe(1)
  })

  it.each([
    ['warn', /LeakError|portside: 1 socket left open/],
    ['off', /portside: leak check off/],
  ])('fails no test with PORTSIDE_LEAKS=%s', async (mode, said) => {
    const { output, code } = await run(['test', 'leaks.test.js', '-t', 'a listener'], { PORTSIDE_LEAKS: mode })
    expect(output).toMatch(said)
    expect(outcomes(output)).toEqual({ 'a listener': 'pass' })
    expect(code).toBe(0)
  })

  it('takes the options of a module that is preloaded', async () => {
    writeFileSync(
      join(project, 'options.js'),
      "import { install } from 'portside/bun'\ninstall({ announce: false, leaks: { ignore: [{ kind: 'listener' }] } })\n",
    )
    const args = ['test', '--preload', './options.js', 'leaks.test.js', '-t', 'a listener']
    const { output, code } = await run(args)
    expect(output).not.toContain('portside: leak check')
    expect(code).toBe(0)
  })

  it('says what to write outside of bun test', async () => {
    writeFileSync(join(project, 'outside.js'), "import 'portside/bun'\n")
    const { output, code } = await run(['outside.js'])
    expect(output).toContain('Cannot use portside/bun here.')
    expect(output).toContain('bun test does not run this process')
    expect(output).toContain("preload = ['portside/bun'] under [test] in bunfig.toml")
    expect(code).toBe(1)
  })
})

test('the entry says what to write in another runner', async () => {
  await expect(import('../../src/runners/bun.js')).rejects.toThrow(
    /^Cannot use portside\/bun here\.\n.*Vitest runs.*\n.*portside\/vitest\/plugin/,
  )
})

test.each([
  ['an option', 'bun\0test\0--preload\0portside/bun\0', undefined, '', true],
  ['an option with =', 'bun\0test\0--preload=portside/bun\0', undefined, '', true],
  ['bunfig.toml', 'bun\0test\0', '[test]\npreload = ["portside/bun"]\n', '', true],
  ['BUN_OPTIONS', 'bun\0test\0', undefined, '--preload portside/bun', true],
  ['a command that the system does not show', undefined, undefined, '', true],
  ['none of these', 'bun\0test\0a-r.test.js\0', '[test]\ncoverage = true\n', '', false],
])('a module may be preloaded by %s', (_, command, bunfig, options, expected) => {
  expect(isPreloadedByBun(command, bunfig, options)).toBe(expected)
})

async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<{ output: string; code: number }> {
  const child = spawn(bun?.program ?? 'bun', args, { cwd: project, env: { ...process.env, NO_COLOR: '1', ...env } })
  const [out, errors, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number>((resolve) => void child.once('close', resolve)),
  ])
  return { output: `${errors}${out}`, code }
}

/** `(fail) a listener [12.3ms]`. */
const outcomes = (output: string): Record<string, string> =>
  Object.fromEntries(
    Array.from(output.matchAll(/^\((pass|fail)\) (.+?)(?: \[[\d.]+ms\])?$/gm), ([, outcome, name]) => [name, outcome]),
  )
