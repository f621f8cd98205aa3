import { describe, expect, it } from 'vitest'
import { type Given, lookAt, summary } from './files.js'

const scripts = (all: Record<string, string>): Given => ({ 'package.json': { scripts: all } })
const FIX = "write require: ['portside/mocha']"

describe('the check of Mocha is on', () => {
  it.each<[string, Given, string]>([
    ...(
      [
        ['.mocharc.js', "module.exports = { require: ['portside/mocha'] }"],
        ['.mocharc.cjs', "'use strict'\nmodule.exports = { require: 'portside/mocha', recursive: true }"],
        ['.mocharc.mjs', "export default { require: ['tsx', 'portside/mocha'] }"],
        ['.mocharc.json', '{ "require": ["portside/mocha"] }'],
        ['.mocharc.json', '{\n // comments are allowed here\n "require": "portside/mocha" }'],
        ['.mocharc.jsonc', '{ /* x */ "require": ["portside/mocha"], }'],
        ['.mocharc.yml', 'require: portside/mocha\n'],
        ['.mocharc.yml', '# x\nspec: test\r\nrequire:\r\n  - tsx # y\r\n  - "portside/mocha"\r\nexit: false\r\n'],
        ['.mocharc.yaml', "require:\n- 'portside/mocha'\n"],
        ['.mocharc.yaml', 'require: [tsx, portside/mocha]'],
        ['.mocharc.yaml', "require: [\n  'tsx',\n  'portside/mocha'\n]\n"],
      ] as const
    ).map(([file, text], index): [string, Given, string] => [
      `by ${file}, ${index}`,
      { [file]: text },
      `on: require in ${file} has 'portside/mocha'`,
    ]),
    [
      'by package.json',
      { 'package.json': { mocha: { require: ['portside/mocha'] } } },
      "on: require in package.json has 'portside/mocha'",
    ],
    [
      'by --require in a script',
      scripts({ test: 'mocha --require portside/mocha' }),
      "on: --require in the script 'test' has 'portside/mocha'",
    ],
    [
      'by --require= in a script',
      scripts({ test: "c8 npx mocha --require='portside/mocha' 'test/**'" }),
      "on: --require in the script 'test' has 'portside/mocha'",
    ],
    [
      'by -r in a script',
      scripts({ 'test:unit': 'NODE_ENV=test node_modules/.bin/mocha -r tsx -r portside/mocha' }),
      "on: --require in the script 'test:unit' has 'portside/mocha'",
    ],
    [
      'by a list in a script',
      scripts({ test: 'mocha -r tsx,portside/mocha' }),
      "on: --require in the script 'test' has 'portside/mocha'",
    ],
    [
      'by a file with install()',
      {
        '.mocharc.yml': 'require: ./test/leaks.cjs',
        'test/leaks.cjs': "const { install } = require('portside/mocha')\nexports.mochaHooks = install({ leaks: {} })",
      },
      'on: test/leaks.cjs exports mochaHooks',
    ],
    [
      'by a module with install()',
      {
        ...scripts({ test: 'mocha --require ./leaks.mjs' }),
        'leaks.mjs': "import { install } from 'portside/mocha'\nexport const mochaHooks = install()",
      },
      'on: leaks.mjs exports mochaHooks',
    ],
    [
      'by a file that passes the hooks on',
      { '.mocharc.json': { require: ['./leaks.mjs'] }, 'leaks.mjs': "export { mochaHooks } from 'portside/mocha'" },
      'on: leaks.mjs exports mochaHooks',
    ],
    [
      'by a file that passes everything on',
      { '.mocharc.json': { require: ['./leaks.cjs'] }, 'leaks.cjs': "module.exports = require('portside/mocha')" },
      'on: leaks.cjs exports mochaHooks',
    ],
    [
      'by a configuration that a script names',
      { ...scripts({ test: 'mocha --config test/rc.json' }), 'test/rc.json': { require: 'portside/mocha' } },
      "on: require in test/rc.json has 'portside/mocha'",
    ],
  ])('%s', (_, given, expected) => {
    expect(summary('mocha', given)).toBe(expected)
  })
})

describe('the check of Mocha is not on', () => {
  it.each<[string, Given, string]>([
    ['without a configuration', { 'package.json': { devDependencies: { mocha: '11' } } }, 'not set up'],
    ['in a comment of YAML', { '.mocharc.yml': 'require:\n  - tsx\n  # - portside/mocha\n' }, 'not set up'],
    ['in a comment of JSON', { '.mocharc.jsonc': '{ // "require": ["portside/mocha"]\n}' }, 'not set up'],
    [
      'in a file that Mocha does not read',
      { '.mocharc.js': 'module.exports = {}', '.mocharc.json': { require: 'portside/mocha' } },
      'off | OFF .mocharc.json sets the check up, but Mocha reads .mocharc.js instead -> move it to .mocharc.js',
    ],
    [
      'with a folder in its place',
      { '.mocharc.yml': { problem: 'is a directory' } },
      'unknown: .mocharc.yml is a directory',
    ],
    [
      'with the entry of Vitest in a script',
      scripts({ test: 'mocha --require portside/vitest/setup' }),
      `off | OFF --require in the script 'test' has 'portside/vitest/setup', which is for setupFiles of Vitest -> ${FIX}`,
    ],
    [
      'with the entry of Jest',
      { '.mocharc.json': { require: ['portside/jest'] } },
      `off | OFF require in .mocharc.json has 'portside/jest', which is for setupFilesAfterEnv of Jest -> ${FIX}`,
    ],
    [
      'with --import',
      scripts({ test: 'mocha --import portside/mocha' }),
      "off | OFF the script 'test' gives 'portside/mocha' to Node, where it does not add hooks to Mocha -> write mocha --require portside/mocha",
    ],
    [
      'with an option of Node',
      scripts({ test: 'node --require portside/mocha node_modules/mocha/bin/mocha.js' }),
      "off | OFF the script 'test' gives 'portside/mocha' to Node, where it does not add hooks to Mocha -> write mocha --require portside/mocha",
    ],
    [
      'with NODE_OPTIONS',
      scripts({ test: "NODE_OPTIONS='--import portside/mocha' mocha" }),
      "off | OFF the script 'test' gives 'portside/mocha' to Node, where it does not add hooks to Mocha -> write mocha --require portside/mocha",
    ],
    [
      'with node-option',
      { '.mocharc.json': { 'node-option': ['import=portside/mocha'] } },
      `off | OFF node-option in .mocharc.json has 'portside/mocha', where it does not add hooks -> ${FIX}`,
    ],
    [
      'as a file',
      { '.mocharc.json': { file: ['portside/mocha'] } },
      `off | OFF file in .mocharc.json has 'portside/mocha', where it does not add hooks -> ${FIX}`,
    ],
    [
      'with a file that exports no hooks',
      { '.mocharc.json': { require: ['./leaks.cjs'] }, 'leaks.cjs': "require('portside/mocha').install()" },
      "off | OFF leaks.cjs imports 'portside/mocha' but does not export mochaHooks -> write export { mochaHooks } from 'portside/mocha', or exports.mochaHooks = install()",
    ],
  ])('%s', (_, given, expected) => {
    expect(summary('mocha', given)).toBe(expected)
  })

  it('without Mocha', () => {
    expect(summary('mocha', scripts({ test: 'echo mocha' }))).toBe('not used')
  })
})

describe('a note of Mocha', () => {
  const on = { '.mocharc.json': { require: ['portside/mocha'] } }
  it.each<[string, Given, string]>([
    [
      'says what exit hides',
      { '.mocharc.yml': 'require: portside/mocha\nexit: true' },
      'exit in .mocharc.yml hides what keeps the run alive',
    ],
    [
      'says what --exit hides',
      { ...on, ...scripts({ test: 'mocha --exit' }) },
      "--exit in the script 'test' hides what keeps the run alive",
    ],
    [
      'names the scripts without the check',
      scripts({ test: 'mocha -r portside/mocha', quick: 'mocha' }),
      "the check is not set up in the script 'quick'",
    ],
    [
      'says that the mode is off',
      {
        '.mocharc.yml': 'require: ./l.cjs',
        'l.cjs': "exports.mochaHooks = require('portside/mocha').install({ leaks: { mode: 'off' } })",
      },
      "l.cjs sets the mode of the leak check to 'off', so nothing is checked",
    ],
    [
      'names the versions that are supported',
      { ...on, 'node_modules/mocha/package.json': { version: '9.2.2' } },
      'portside supports Mocha 10 and newer',
    ],
  ])('%s', (_, given, note) => {
    expect(lookAt('mocha', given)?.notes).toEqual([note])
  })
})

describe('the lines to add for Mocha', () => {
  it.each<[string, Given, string, string[]]>([
    [
      'are a file',
      { 'package.json': { devDependencies: { mocha: '11' } } },
      '.mocharc.json',
      ['{ "require": ["portside/mocha"] }'],
    ],
    ['are JSON', { '.mocharc.json': { require: 'tsx' } }, '.mocharc.json', ['"require": ["tsx", "portside/mocha"],']],
    ['are YAML', { '.mocharc.yml': 'require: tsx' }, '.mocharc.yml', ['require:', '  - tsx', '  - portside/mocha']],
    ['are JavaScript', { '.mocharc.cjs': 'module.exports = {}' }, '.mocharc.cjs', ["require: ['portside/mocha'],"]],
    [
      'go into package.json',
      { 'package.json': { mocha: { spec: 'x' } } },
      '"mocha" in package.json',
      ['"require": ["portside/mocha"],'],
    ],
  ])('%s', (_, given, addTo, add) => {
    expect(lookAt('mocha', given)).toMatchObject({ check: 'not set up', addTo, add })
  })
})
