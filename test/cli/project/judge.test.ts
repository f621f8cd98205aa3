import { describe, expect, it } from 'vitest'
import { describeFindings } from '../../../src/cli/finding.js'
import { judgeProject } from '../../../src/cli/project/judge.js'
import { type Given, look, ROOT } from './files.js'

const lines = (given: Given, env: Record<string, string> = {}): string[] =>
  describeFindings([judgeProject(look(given, env))])
const HAS = { devDependencies: { vitest: '4', portside: '1' } }

describe('what the doctor says of a project', () => {
  it('is one line without a package.json', () => {
    expect(lines({})).toEqual([`hint  project  no folder from ${ROOT} upward has a package.json`])
  })

  it('points to the documentation for a runner that portside has no entry for', () => {
    expect(lines({ 'package.json': { devDependencies: { ava: '6', portside: '1' } } }).slice(1)).toEqual([
      'hint  AVA      portside has no entry for this runner; its tests call the check by hand',
      '               see docs/other-runners.md',
    ])
  })

  it('is that no runner is known', () => {
    expect(lines({ 'package.json': {} })).toEqual([
      `ok    project      ${ROOT}`,
      'hint  test runner  no dependency, configuration or script of this project names a test runner that portside knows',
    ])
  })

  it('is what to install and what to add', () => {
    expect(
      lines({ 'package.json': { devDependencies: { jest: '30' } }, 'jest.config.js': 'module.exports = {}' }),
    ).toEqual([
      `ok    project   ${ROOT}`,
      'hint  portside  not installed in this project',
      '                npm install --save-dev portside',
      'hint  Jest      the leak check is not set up',
      '                add to jest.config.js:',
      "                  preset: 'portside',",
    ])
  })

  it('is a whole file if there is none, without spaces at the end of a line', () => {
    expect(lines({ 'package.json': HAS }).slice(1)).toEqual([
      'hint  Vitest   the leak check is not set up',
      '               add to vitest.config.mjs:',
      "                 import portside from 'portside/vitest/plugin'",
      "                 import { defineConfig } from 'vitest/config'",
      '',
      '                 export default defineConfig({ plugins: [portside()] })',
    ])
  })

  it('is that the check is on, and what is worth knowing', () => {
    const given = {
      'package.json': { ...HAS, workspaces: ['a'] },
      'vitest.config.ts': "export default { test: { setupFiles: 'portside/vitest' } }",
    }
    expect(lines(given)).toEqual([
      `ok    project  ${ROOT}`,
      '               note: run portside doctor in its workspaces, too: a',
      "ok    Vitest   the leak check is on: setupFiles in vitest.config.ts has 'portside/vitest'",
      "               note: 'portside/vitest' works in setupFiles; 'portside/vitest/setup' is the entry for it",
    ])
  })

  it('is bad if the check is set up and off', () => {
    const given = {
      'package.json': HAS,
      'vitest.config.ts': "export default { test: { setupFiles: ['portside/jest'] } }",
    }
    expect(lines(given).slice(1)).toEqual([
      "bad   Vitest   setupFiles in vitest.config.ts has 'portside/jest', which is for setupFilesAfterEnv of Jest",
      "               write setupFiles: ['portside/vitest/setup']",
    ])
  })

  it('is a warning if something is wrong beside a check that is on', () => {
    const given = {
      'package.json': HAS,
      'vitest.config.ts': "export default { test: { setupFiles: ['portside/vitest/setup', 'portside/jest'] } }",
    }
    expect(judgeProject(look(given)).map(({ verdict }) => verdict)).toEqual(['ok', 'ok', 'warn'])
  })

  it('is a warning and the runners if package.json cannot be used', () => {
    expect(
      judgeProject(look({ 'package.json': '{', 'jest.config.js': '' })).map(
        ({ check, verdict }) => `${verdict} ${check}`,
      ),
    ).toEqual(['ok project', 'warn package.json', 'hint portside', 'hint Jest'])
  })

  it('is a hint if a configuration cannot be read', () => {
    expect(lines({ 'package.json': HAS, 'vitest.config.ts': { problem: 'is a directory' } }).slice(1)).toEqual([
      'hint  Vitest   the leak check may be on or off: vitest.config.ts is a directory',
      '               run a test that leaves a socket open: it fails if the check is on',
    ])
  })

  it('has the first 20 of many workspaces', () => {
    const workspaces = Array.from({ length: 30 }, (_, index) => `w${index}`)
    expect(lines({ 'package.json': { workspaces } })[1]).toMatch(/: w0, .*, w19 and 10 more$/)
  })

  it('has no characters that a terminal obeys', () => {
    const scripts = { 'a\u001b[31m\n': 'mocha -r portside/jest' }
    const text = lines({ 'package.json': { scripts } }).join('')
    expect(text).toContain("'a\\u001b[31m\\n'")
    expect([text.includes('\u001b'), text.includes('\n')]).toEqual([false, false])
  })
})
