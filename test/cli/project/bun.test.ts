import { describe, expect, it } from 'vitest'
import { type Given, lookAt, summary } from './files.js'

const SCRIPT = { 'package.json': { scripts: { test: 'bun test' } } }
const bunfig = (text: string): Given => ({ ...SCRIPT, 'bunfig.toml': text })
const ON = "on: bunfig.toml has 'portside/bun'"

describe('the check of bun test is on', () => {
  it.each<[string, Given, string]>([
    ['by bunfig.toml', bunfig('[test]\npreload = ["portside/bun"]\n'), ON],
    ['by a single preload', bunfig("[test]\npreload = 'portside/bun'"), ON],
    [
      'among other modules and tables',
      bunfig('telemetry = false\n[test]\npreload = [\n  "./a.ts",\n  "portside/bun",\n]\n[run]\nbun = true\n'),
      ON,
    ],
    [
      'by the option of a script',
      { 'package.json': { scripts: { test: 'NODE_ENV=test bun test --preload portside/bun' } } },
      "on: the script 'test' has 'portside/bun'",
    ],
    [
      'by a module of the project',
      {
        ...bunfig('[test]\npreload = ["./test/leaks.ts"]'),
        'test/leaks.ts': "import { install } from 'portside/bun'\ninstall({ leaks: 'warn' })",
      },
      "on: test/leaks.ts imports 'portside/bun'",
    ],
  ])('%s', (_, given, expected) => {
    expect(summary('bun test', given)).toBe(expected)
  })

  it('and says that the mode of a module is warn', () => {
    const given = {
      ...bunfig('[test]\npreload = "./a.ts"'),
      'a.ts': "import { install } from 'portside/bun'\ninstall({ leaks: 'warn' })",
    }
    expect(lookAt('bun test', given)?.notes).toEqual([
      expect.stringContaining("a.ts sets the mode of the leak check to 'warn'"),
    ])
  })

  it('in a file that imports it, and says that others are not checked', () => {
    const report = lookAt('bun test', { ...SCRIPT, 'a.test.ts': "import { useNet } from 'portside/bun'" })
    expect(report).toMatchObject({
      check: 'on',
      how: "a.test.ts imports 'portside/bun'",
      notes: ["only tests of files that import 'portside/bun' are checked, such as a.test.ts"],
    })
  })
})

describe('the check of bun test is not on', () => {
  it.each<[string, Given, string]>([
    ['without a preload', SCRIPT, 'not set up'],
    ['in a comment', bunfig('[test]\n# preload = ["portside/bun"]'), 'not set up'],
    ['by the preload of another table', bunfig('preload = ["portside/bun"]\n[test]\ncoverage = true'), 'not set up'],
    [
      'with the entry of Vitest',
      bunfig('[test]\npreload = ["portside/vitest/setup"]'),
      "off | OFF bunfig.toml has 'portside/vitest/setup', which is for setupFiles of Vitest -> write preload = ['portside/bun'] under [test] in bunfig.toml",
    ],
    [
      'with a file that cannot be read',
      { ...SCRIPT, 'bunfig.toml': { problem: 'is empty' } },
      'unknown: bunfig.toml is empty',
    ],
    ['with another command of bun', { 'package.json': { scripts: { test: 'bun run build' } } }, 'not used'],
    ['with tests and no script', { 'a.test.ts': "import { test } from 'bun:test'" }, 'not set up'],
  ])('%s', (_, given, expected) => {
    expect(summary('bun test', given)).toBe(expected)
  })

  it('and shows the lines to add', () => {
    expect(lookAt('bun test', SCRIPT)).toMatchObject({
      add: ['[test]', 'preload = ["portside/bun"]'],
      addTo: 'bunfig.toml',
    })
  })
})
