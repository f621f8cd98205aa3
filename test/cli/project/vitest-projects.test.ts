import { describe, expect, it } from 'vitest'
import { type Given, lookAt, summary } from './files.js'

const ON = "on: setupFiles in vitest.config.ts has 'portside/vitest/setup'"
const config = (test: string, before = ''): Given => ({
  'vitest.config.ts': `import { defineConfig } from 'vitest/config'\n${before}\nexport default defineConfig({ test: ${test} })\n`,
})
const _plugin = (text: string): Given => ({
  'vitest.config.ts': `import portside from 'portside/vitest/plugin'\nimport { defineConfig } from 'vitest/config'\n${text}`,
})

describe('projects of Vitest', () => {
  const projects = (list: string, root = ''): Given => config(`{ ${root} projects: [${list}] }`)
  const set = "setupFiles: ['portside/vitest/setup']"

  it.each<[string, Given, string]>([
    ['are on if each sets it up', projects(`{ test: { name: 'a', ${set} } }, { test: { ${set} } }`), ON],
    ['are on if they extend the root', projects(`{ extends: true, test: { name: 'a' } }`, `${set},`), ON],
    [
      'are on by defineProject() and a variable',
      config('{ projects: [unit] }', `const unit = defineProject({ test: { ${set} } })`),
      ON,
    ],
    [
      'are off if the root sets it up and they do not extend it',
      projects("{ test: { name: 'a' } }, { test: { name: 'b' } }", `${set},`),
      "off | OFF setupFiles in vitest.config.ts has 'portside/vitest/setup' does not apply to the projects 'a', 'b' -> add extends: true to each of them",
    ],
    [
      'extend a file',
      { ...projects("{ extends: './base.ts', test: {} }"), 'base.ts': `export default { test: { ${set} } }` },
      "on: setupFiles in base.ts has 'portside/vitest/setup'",
    ],
    [
      'are files of their own',
      { ...projects("'./unit.config.ts'"), 'unit.config.ts': `export default { test: { ${set} } }` },
      "on: setupFiles in unit.config.ts has 'portside/vitest/setup'",
    ],
    [
      'are folders',
      projects("'packages/*'"),
      "unknown: vitest.config.ts has the project 'packages/*', which has its own configuration",
    ],
    [
      'do not read setupFiles outside of test',
      projects(`{ ${set} }`),
      "off | OFF setupFiles in vitest.config.ts is outside test, where Vitest does not read it -> write test: { setupFiles: ['portside/vitest/setup'] }",
    ],
    [
      'extend the configuration that they stand in',
      projects("{ extends: './vitest.config.ts', test: { name: 'a' } }", `${set},`),
      ON,
    ],
    ['are the configuration that they stand in', projects("'./vitest.config.ts'"), 'not set up'],
    ['are not set up', projects("{ test: { name: 'a' } }"), 'not set up'],
    [
      'are in a workspace',
      { 'vitest.workspace.ts': `export default defineWorkspace([{ test: { ${set} } }])` },
      "on: setupFiles in vitest.workspace.ts has 'portside/vitest/setup'",
    ],
    [
      'are in a list of projects as JSON',
      { 'vitest.projects.json': [{ test: { setupFiles: ['portside/vitest/setup'] } }] },
      "on: setupFiles in vitest.projects.json has 'portside/vitest/setup'",
    ],
    [
      'are in a workspace that Vitest 4 does not read',
      {
        'vitest.workspace.ts': `export default [{ test: { ${set} } }]`,
        'node_modules/vitest/package.json': { version: '4.1.0' },
      },
      'off | OFF Vitest 4.1.0 does not read vitest.workspace.ts -> write its projects to test.projects in vitest.config.ts',
    ],
  ])('%s', (_, given, expected) => {
    expect(summary('vitest', given)).toBe(expected)
  })

  it('are named if only some of them are set up', () => {
    const report = lookAt('vitest', projects(`{ test: { name: 'a', ${set} } }, { test: { name: 'b' } }, { test: {} }`))
    expect(report).toMatchObject({ check: 'on', notes: ["the check is not set up in the projects 'b', 'number 3'"] })
  })
})
