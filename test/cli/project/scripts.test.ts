import { describe, expect, it } from 'vitest'
import { commandsOf, nodeOptions, optionValues, runsOf } from '../../../src/cli/project/scripts.js'
import { yamlSettings } from '../../../src/cli/project/yaml.js'

describe('the commands of a script', () => {
  it.each<[string, string[][]]>([
    ['a b', [['a', 'b']]],
    ['a && b || c; d | e & f', [['a'], ['b'], ['c'], ['d'], ['e'], ['f']]],
    [
      `a 'b c' "d \\"e" f\\ g`,
      [
        ['a', 'b c', 'd "e', 'f g'],
        ['b', 'c'],
        ['d', 'e'],
        ['f', 'g'],
      ],
    ],
    [
      "a --x='y z'",
      [
        ['a', '--x=y z'],
        ['--x=y', 'z'],
      ],
    ],
    ['A=b cross-env C=d e', [['e']]],
    ["a 'b", [['a', 'b']]],
    ['', []],
    ['A=b', []],
  ])('%s', (script, expected) => {
    expect(commandsOf({ test: script }).map(({ words }) => words)).toEqual(expected)
  })

  it('have the variables that the script sets for them', () => {
    const [first, second] = commandsOf({ test: "export A=1 && B='2 3' x; C=4 y" })
    expect([...(first?.env ?? [])]).toEqual([
      ['A', '1'],
      ['B', '2 3'],
    ])
    expect([...(second?.env ?? [])]).toEqual([
      ['A', '1'],
      ['C', '4'],
    ])
  })

  it('are left out if the script is not a string, or very long', () => {
    expect(commandsOf({ a: 1, b: null, c: ['x'], d: '"'.repeat(30_000) })).toEqual([])
  })

  it.each([
    ['vitest', true],
    ['npx vitest run', true],
    ['pnpm exec vitest', true],
    ['node ./node_modules/vitest/vitest.mjs', true],
    ['node_modules/.bin/vitest', true],
    ['node --require vitest x.js', false],
    ['portside run -- vitest', true],
    ['npm install vitest', false],
    ['npm run vitest', false],
    ['echo vitest', false],
    ['node vitest.js --config vitest', false],
    ['node scripts/vitest.js', false],
    ['eslint vitest', false],
  ])('%s runs Vitest: %s', (script, expected) => {
    expect(runsOf(commandsOf({ test: script }), ['vitest']).length > 0).toBe(expected)
  })

  it('have the values of an option', () => {
    expect(optionValues(['-r', 'a', '--require=b', '--requires', 'c', '--require'], '-r', '--require')).toEqual([
      'a',
      'b',
    ])
  })

  it('have the options of Node', () => {
    const [command] = commandsOf({ test: "NODE_OPTIONS='--import a --no-warnings' node" })
    expect(nodeOptions(command!)).toEqual(['--import', 'a', '--no-warnings'])
  })
})

describe('the settings of YAML', () => {
  it.each<[string, Record<string, string[]>]>([
    ['a: b', { a: ['b'] }],
    ['a: "b # c" # d', { a: ['b # c'] }],
    ["a:\n- b\n-   'c'\n# - d\ne: f#g", { a: ['b', 'c'], e: ['f#g'] }],
    ["a: [b, 'c',\n  d]\ne:", { a: ['b', 'c', 'd'], e: [] }],
    ['a:\r\n  - b\r\n', { a: ['b'] }],
    ['"a-b": c\n---\nd: e', { 'a-b': ['c'], d: ['e'] }],
    ['a: [', { a: [] }],
    ['a:\n  b:\n    - c', { a: ['c'] }],
    ["it's", {}],
  ])('%j', (text, expected) => {
    expect(yamlSettings(text)).toEqual(expected)
  })

  it('include a list that is longer than the arguments of a call can be', () => {
    expect(yamlSettings(`a: [${'b,'.repeat(300_000)}]`).a).toHaveLength(300_000)
  })
})
