import { describe, expect, it } from 'vitest'
import { type Given, summary } from './files.js'

const _ON = "on: setupFiles in vitest.config.ts has 'portside/vitest/setup'"
const config = (test: string, before = ''): Given => ({
  'vitest.config.ts': `import { defineConfig } from 'vitest/config'\n${before}\nexport default defineConfig({ test: ${test} })\n`,
})
const plugin = (text: string): Given => ({
  'vitest.config.ts': `import portside from 'portside/vitest/plugin'\nimport { defineConfig } from 'vitest/config'\n${text}`,
})

describe('the check of Vitest is not on', () => {
  it.each<[string, Given, string]>([
    ['without a configuration', { 'package.json': { devDependencies: { vitest: '^4' } } }, 'not set up'],
    ['with a script only', { 'package.json': { scripts: { test: 'cross-env CI=1 npx vitest run' } } }, 'not set up'],
    [
      'in comments',
      {
        'vitest.config.ts':
          "export default { // plugins: [portside()]\n/* setupFiles: ['portside/vitest/setup'] */ test: {} }",
      },
      'not set up',
    ],
    [
      'behind a URL that looks like a comment',
      config("{ name: 'http://x', /* setupFiles: ['portside/vitest/setup'] */ url: \"//\" }"),
      'not set up',
    ],
    [
      'in another setting',
      config("{ alias: { a: 'portside/vitest/setup' } }"),
      "unknown: vitest.config.ts names 'portside/vitest/setup', but portside cannot see which setting that is",
    ],
    [
      'with settings of a package',
      { 'vitest.config.ts': "import base from '@acme/vitest'\nexport default mergeConfig(base, {})" },
      "unknown: vitest.config.ts takes settings from '@acme/vitest', which portside does not read",
    ],
    [
      'with spread settings of a package',
      { 'vitest.config.ts': "import { base } from '@acme/vitest'\nexport default { ...base, test: {} }" },
      "unknown: vitest.config.ts takes settings from '@acme/vitest', which portside does not read",
    ],
    [
      'with a directory in its place',
      { 'vitest.config.ts': { problem: 'is a directory' } },
      'unknown: vitest.config.ts is a directory',
    ],
    ['with an empty file', { 'vitest.config.ts': { problem: 'is empty' } }, 'unknown: vitest.config.ts is empty'],
    [
      'with the plugin imported only',
      plugin('export default defineConfig({ plugins: [] })'),
      "off | OFF vitest.config.ts imports 'portside/vitest/plugin' but does not use it -> write plugins: [portside()]",
    ],
    [
      'with the plugin not called',
      plugin('export default defineConfig({ plugins: [portside] })'),
      'off | OFF plugins in vitest.config.ts has portside instead of portside() -> write plugins: [portside()]',
    ],
    [
      'with the plugin inside of test',
      plugin('export default defineConfig({ test: { plugins: [portside()] } })'),
      'off | OFF plugins: [portside()] in vitest.config.ts is inside test, where Vite does not read it -> move plugins out of test',
    ],
    [
      'with setupFiles outside of test',
      { 'vitest.config.ts': "export default defineConfig({ setupFiles: ['portside/vitest/setup'] })" },
      "off | OFF setupFiles in vitest.config.ts is outside test, where Vitest does not read it -> write test: { setupFiles: ['portside/vitest/setup'] }",
    ],
    [
      'with a setup file that does not call install()',
      {
        ...config("{ setupFiles: ['./setup.ts'] }"),
        'setup.ts': "import { install } from 'portside/vitest'\n// install()",
      },
      "off | OFF setup.ts imports 'portside/vitest' but does not call install() -> import 'portside/vitest/setup' there",
    ],
    [
      'in vite.config beside vitest.config',
      { ...config('{}'), 'vite.config.ts': "export default { test: { setupFiles: ['portside/vitest/setup'] } }" },
      'off | OFF vite.config.ts sets the check up, but Vitest reads vitest.config.ts instead -> move it to vitest.config.ts',
    ],
    ...(
      [
        ['portside/jest', 'which is for setupFilesAfterEnv of Jest'],
        ['portside/mocha', 'which is for --require of Mocha'],
        ['portside/node-test', 'which is for --import of node:test'],
        ['portside/vitest/plugin', 'which is for plugins of Vitest'],
        ['portside/register', 'which tracks sockets but does not check them'],
        ['portside', 'which does not start the leak check'],
        ['portside/vitest/setpu', "which portside does not have (did you mean 'portside/vitest/setup'?)"],
      ] as const
    ).map(([entry, why]): [string, Given, string] => [
      `with ${entry} as setup file`,
      config(`{ setupFiles: ['${entry}'] }`),
      `off | OFF setupFiles in vitest.config.ts has '${entry}', ${why} -> write setupFiles: ['portside/vitest/setup']`,
    ]),
    [
      'with the setup file as globalSetup',
      config("{ globalSetup: 'portside/vitest/setup' }"),
      "off | OFF globalSetup in vitest.config.ts has 'portside/vitest/setup', which is for setupFiles of Vitest -> write setupFiles: ['portside/vitest/setup']",
    ],
  ])('%s', (_, given, expected) => {
    expect(summary('vitest', given)).toBe(expected)
  })

  it('in a project that only has vite', () => {
    expect(summary('vitest', { 'vite.config.ts': "import vue from 'vue'\nexport default { plugins: [vue()] }" })).toBe(
      'not used',
    )
  })
})
