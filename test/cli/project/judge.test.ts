import { describe, expect, it } from 'vitest'
import { describeFindings } from '../../../src/cli/finding.js'
import { judgeProject } from '../../../src/cli/project/judge.js'
import { type Given, look, ROOT } from './files.js'

const lines = (given: Given, env: Record<string, string> = {}): string[] =>
  describeFindings([judgeProject(look(given, env))])
const HAS = { devDependencies: { vitest: '4', portside: '1' } }

describe('the findings about a project', () => {
  it('are one line without a package.json', () => {
    expect(lines({})).toEqual([`hint  project  no folder from ${ROOT} upward has a package.json`])
  })

  it('name the documentation for a runner without an entry of portside', () => {
    expect(lines({ 'package.json': { devDependencies: { ava: '6', portside: '1' } } }).slice(1)).toEqual([
      'hint  AVA      portside has no entry for this runner; its tests call the check by hand',
      '               see docs/other-runners.md',
    ])
  })

  it('say that no runner is known', () => {
    expect(lines({ 'package.json': {} })).toEqual([
      `ok    project      ${ROOT}`,
      'hint  test runner  no dependency, configuration or script of this project names a test runner that portside knows',
    ])
  })

  it('say what to install and which lines to add', () => {
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

  it('have a whole file to add if there is no configuration, without trailing spaces', () => {
    expect(lines({ 'package.json': HAS }).slice(1)).toEqual([
      'hint  Vitest   the leak check is not set up',
      '               add to vitest.config.mjs:',
      "                 import portside from 'portside/vitest/plugin'",
      "                 import { defineConfig } from 'vitest/config'",
      '',
      '                 export default defineConfig({ plugins: [portside()] })',
    ])
  })

  it('say that the check is on, with notes', () => {
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

  it('are bad if the check is set up but off', () => {
    const given = {
      'package.json': HAS,
      'vitest.config.ts': "export default { test: { setupFiles: ['portside/jest'] } }",
    }
    expect(lines(given).slice(1)).toEqual([
      "bad   Vitest   setupFiles in vitest.config.ts has 'portside/jest', which is for setupFilesAfterEnv of Jest",
      "               write setupFiles: ['portside/vitest/setup']",
    ])
  })

  it('are a warning if the check is on but another setting is wrong', () => {
    const given = {
      'package.json': HAS,
      'vitest.config.ts': "export default { test: { setupFiles: ['portside/vitest/setup', 'portside/jest'] } }",
    }
    expect(judgeProject(look(given)).map(({ verdict }) => verdict)).toEqual(['ok', 'ok', 'warn'])
  })

  it('are a warning and the runners if package.json cannot be used', () => {
    expect(
      judgeProject(look({ 'package.json': '{', 'jest.config.js': '' })).map(
        ({ check, verdict }) => `${verdict} ${check}`,
      ),
    ).toEqual(['ok project', 'warn package.json', 'hint portside', 'hint Jest'])
  })

  it('are a hint if a configuration cannot be read', () => {
    expect(lines({ 'package.json': HAS, 'vitest.config.ts': { problem: 'is a directory' } }).slice(1)).toEqual([
      'hint  Vitest   the leak check may be on or off: vitest.config.ts is a directory',
      '               run a test that leaves a socket open: it fails if the check is on',
    ])
  })

  it('have the first 20 of many workspaces', () => {
    const workspaces = Array.from({ length: 30 }, (_, index) => `w${index}`)
    expect(lines({ 'package.json': { workspaces } })[1]).toMatch(/: w0, .*, w19 and 10 more$/)
  })

  it('have no control characters', () => {
    const scripts = { 'a\u001b[31m\n': 'mocha -r portside/jest' }
    const text = lines({ 'package.json': { scripts } }).join('')
    expect(text).toContain("'a\\u001b[31m\\n'")
    expect([text.includes('\u001b'), text.includes('\n')]).toEqual([false, false])
  })
})
