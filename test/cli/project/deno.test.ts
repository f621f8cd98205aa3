import { describe, expect, it } from 'vitest'
import { type Given, lookAt, summary } from './files.js'

const task = (test: unknown): Given => ({ 'deno.json': { tasks: { test } } })
const LEAKS = { 'test/leaks.js': "import { install } from 'portside/deno'\ninstall({})" }

describe('the check of deno test', () => {
  it.each<[string, Given, string]>([
    [
      'is on by --preload of an entry',
      task('deno test -A --preload npm:portside/deno'),
      "on: the script 'test' has 'npm:portside/deno'",
    ],
    [
      'is on by --preload of an entry with its version',
      task('deno test -A --preload=npm:portside@^0.1/deno'),
      "on: the script 'test' has 'npm:portside@^0.1/deno'",
    ],
    [
      'is off with an entry that Deno takes for a file',
      task('deno test --preload portside/deno'),
      "off | OFF the script 'test' has 'portside/deno', which Deno takes for the path of a file -> write --preload=npm:portside/deno",
    ],
    [
      'is on by a module of the project',
      { ...task('deno test -A --preload=./test/leaks.js'), ...LEAKS },
      "on: test/leaks.js imports 'portside/deno'",
    ],
    [
      'is on by an import of a test file',
      { ...task({ command: 'deno test -A' }), 'test/a_test.ts': "import 'portside/deno'" },
      "on: test/a_test.ts imports 'portside/deno'",
    ],
    [
      'is on by a script of package.json',
      { 'package.json': { scripts: { test: 'deno test -A' } }, 'a.test.ts': "import 'portside/deno'" },
      "on: a.test.ts imports 'portside/deno'",
    ],
    [
      'is read from deno.jsonc',
      { 'deno.jsonc': '{\n  // the tests\n  "tasks": { "test": "deno test // -A", },\n}', ...LEAKS },
      'not set up',
    ],
    ['is not on by a file that Deno does not run', { ...task('deno test -A'), ...LEAKS }, 'not set up'],
    ['is not set up without an import', task('deno test -A'), 'not set up'],
    ['is not used by another command', task('deno run -A main.ts'), 'not used'],
    ['is not used with a broken deno.json', { 'deno.json': '{' }, 'not used'],
    [
      'is off with another entry',
      task('deno test --preload npm:portside/mocha'),
      "off | OFF the script 'test' has 'npm:portside/mocha', which is for --require of Mocha -> write --preload=npm:portside/deno",
    ],
  ])('%s', (_, given, expected) => {
    expect(summary('deno test', given)).toBe(expected)
  })

  it.each<[string, Given, string]>([
    ['deno.json', task('deno test -A'), '"tasks" in deno.json'],
    ['package.json', { 'package.json': { scripts: { test: 'deno test -A' } } }, '"scripts" in package.json'],
  ])('says what to add to the commands of %s', (_, given, addTo) => {
    const add = ['"test": "deno test --preload=npm:portside/deno -A"']
    expect(lookAt('deno test', given)).toMatchObject({ add, addTo })
  })

  it('says which files are checked without a preload', () => {
    const given = { ...task('deno test -A'), 'a.test.ts': "import 'portside/deno'" }
    expect(lookAt('deno test', given)?.notes).toEqual([
      "only tests of files that import 'portside/deno' are checked, such as a.test.ts",
    ])
  })
})
