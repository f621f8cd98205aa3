import { describe, expect, it } from 'vitest'
import { type Given, lookAt, summary } from './files.js'

const script = (test: string): Given => ({ 'package.json': { scripts: { test } } })
const ON = "on: the script 'test' has 'portside/node-test'"

describe('the check of node:test is on', () => {
  it.each<[string, Given, string]>([
    ['by --import', script('node --import portside/node-test --test'), ON],
    ['by --import=', script('node --test --import=portside/node-test test/*.js'), ON],
    ['by --require', script('node --require portside/node-test --test'), ON],
    ['by -r, with c8', script('c8 --reporter=text node -r portside/node-test --test'), ON],
    ['by tsx', script('tsx --import portside/node-test --test'), ON],
    ['by NODE_OPTIONS', script('NODE_OPTIONS="--import portside/node-test" node --test'), ON],
    ['by NODE_OPTIONS and cross-env', script('cross-env NODE_OPTIONS=--import=portside/node-test node --test'), ON],
    ['in a command of several', script('npm run build && node --import portside/node-test --test'), ON],
    ['in a command as an argument', script("concurrently 'node --import portside/node-test --test' 'tsc'"), ON],
    [
      'by a module of the project',
      {
        ...script('node --import ./test/leaks.mjs --test'),
        'test/leaks.mjs': "import { install } from 'portside/node-test'\ninstall({})",
      },
      "on: test/leaks.mjs imports 'portside/node-test'",
    ],
    [
      'by an import of a test file',
      { ...script('node --test'), 'test/a.test.js': "import 'portside/node-test'" },
      "on: test/a.test.js imports 'portside/node-test'",
    ],
  ])('%s', (_, given, expected) => {
    expect(summary('node:test', given)).toBe(expected)
  })
})

describe('the check of node:test is not on', () => {
  const wrong = (entry: string, why: string): string =>
    `off | OFF the script 'test' has '${entry}', which is for ${why} -> write node --import portside/node-test --test`

  it.each<[string, Given, string]>([
    ['without the option', script('node --test'), 'not set up'],
    ['with a script of another program', script('node build.js --import portside/node-test'), 'not used'],
    [
      'in a comment of a test file',
      { ...script('node --test'), 'test/a.test.js': "// import 'portside/node-test'" },
      'not set up',
    ],
    [
      'with the entry of Mocha',
      script('node --import portside/mocha --test'),
      wrong('portside/mocha', '--require of Mocha'),
    ],
    [
      'with the entry of Vitest',
      script('node --test --require=portside/vitest/setup'),
      wrong('portside/vitest/setup', 'setupFiles of Vitest'),
    ],
    [
      'with a file that cannot be read',
      { ...script('node --import ./leaks.mjs --test'), 'leaks.mjs': { problem: 'is empty' } },
      'unknown: leaks.mjs is empty',
    ],
    [
      'with PORTSIDE_LEAKS=off',
      script('PORTSIDE_LEAKS=off node --import portside/node-test --test'),
      `off: ${ON.slice(4)} | OFF PORTSIDE_LEAKS is off in the script 'test' -> remove PORTSIDE_LEAKS, or set it to warn`,
    ],
    ['with tests and no script', { 'test/a.test.js': "import test from 'node:test'" }, 'not set up'],
    [
      'with tests of node:test and another runner',
      { 'package.json': { devDependencies: { jest: '30' } }, 'test/a.test.js': "import 'node:test'" },
      'not used',
    ],
  ])('%s', (_, given, expected) => {
    expect(summary('node:test', given)).toBe(expected)
  })
})

describe('a note of node:test', () => {
  it.each<[string, Given, string]>([
    [
      'says what --test-force-exit hides',
      script('node --import portside/node-test --test --test-force-exit'),
      "--test-force-exit in the script 'test' hides what keeps the run alive",
    ],
    [
      'says what portside/register does',
      script('node --import portside/register --test'),
      "'portside/register' in the script 'test' tracks sockets but does not check them",
    ],
    [
      'names the scripts without the check',
      { 'package.json': { scripts: { test: 'node --import portside/node-test --test', fast: 'node --test' } } },
      "the check is not set up in the script 'fast'",
    ],
    [
      'says that an import is for one file',
      { ...script('node --test'), 'test/a.test.js': "import 'portside/node-test'" },
      "only files that import 'portside/node-test' are checked, such as test/a.test.js",
    ],
  ])('%s', (_, given, note) => {
    expect(lookAt('node:test', given)?.notes).toEqual([note])
  })
})

describe('the lines to add for node:test', () => {
  it.each<[string, Given, string]>([
    [
      'are the script with the option',
      script('tsc && node --enable-source-maps --test dist'),
      '"test": "tsc && node --import portside/node-test --enable-source-maps --test dist"',
    ],
    ['are a script', { 'test/a.test.js': "import 'node:test'" }, '"test": "node --import portside/node-test --test"'],
    [
      'keep quotes',
      script('node --test "test/**/*.js"'),
      String.raw`"test": "node --import portside/node-test --test \"test/**/*.js\""`,
    ],
  ])('%s', (_, given, line) => {
    expect(lookAt('node:test', given)).toMatchObject({
      check: 'not set up',
      addTo: '"scripts" in package.json',
      add: [line],
    })
  })
})
