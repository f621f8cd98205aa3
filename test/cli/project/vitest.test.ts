import { describe, expect, it } from 'vitest'
import { type Given, lookAt, summary } from './files.js'

const ON = "on: setupFiles in vitest.config.ts has 'portside/vitest/setup'"
const config = (test: string, before = ''): Given => ({
  'vitest.config.ts': `import { defineConfig } from 'vitest/config'\n${before}\nexport default defineConfig({ test: ${test} })\n`,
})
const plugin = (text: string): Given => ({
  'vitest.config.ts': `import portside from 'portside/vitest/plugin'\nimport { defineConfig } from 'vitest/config'\n${text}`,
})

describe('the check of Vitest is on', () => {
  it.each<[string, Given, string]>([
    ['by the setup file', config("{ setupFiles: ['portside/vitest/setup'] }"), ON],
    ['by the setup file as a string', config("{ setupFiles: 'portside/vitest/setup' }"), ON],
    ['by the setup file among others', config("{ setupFiles: ['./a.ts', `portside/vitest/setup`,] }"), ON],
    ['by a variable', config('{ setupFiles }', "const setupFiles: string[] = ['portside/vitest/setup']"), ON],
    ['by a spread variable', config('{ setupFiles: [...files] }', "const files = ['portside/vitest/setup']"), ON],
    ['by quoted keys', config(`{ "setupFiles": ["portside/vitest/setup"] }`), ON],
    [
      'by an assignment',
      { 'vitest.config.ts': "const c = {}\nc.setupFiles = ['portside/vitest/setup']\nexport default { test: c }" },
      ON,
    ],
    [
      'by the main entry in setupFiles',
      config("{ setupFiles: ['portside/vitest'] }"),
      "on: setupFiles in vitest.config.ts has 'portside/vitest'",
    ],
    [
      'by the plugin',
      plugin('export default defineConfig({ plugins: [portside()] })'),
      'on: plugins: [portside()] in vitest.config.ts',
    ],
    [
      'by the plugin with options, among others',
      plugin("export default defineConfig({ plugins: [vue(), portside({ leaks: 'fail' })], test: {} })"),
      'on: plugins: [portside()] in vitest.config.ts',
    ],
    [
      'by the plugin in a variable',
      plugin('const plugins = [portside()]\nexport default defineConfig({ plugins })'),
      'on: plugins: [portside()] in vitest.config.ts',
    ],
    [
      'by the plugin under another name',
      {
        'vitest.config.js':
          "const sockets = require('portside/vitest/plugin')\nmodule.exports = { plugins: [[sockets()]] }",
      },
      'on: plugins: [sockets()] in vitest.config.js',
    ],
    [
      'by a setup file of the project that calls install()',
      {
        ...config("{ setupFiles: ['./test/setup.ts'] }"),
        'test/setup.ts': "import { install } from 'portside/vitest'\ninstall({ leaks: { idlePools: 'close' } })",
      },
      'on: test/setup.ts calls install()',
    ],
    [
      'by a setup file that calls it under another name',
      {
        ...config("{ setupFiles: ['test/setup'] }"),
        'test/setup.ts': "import { install as checkSockets } from 'portside/vitest'\ncheckSockets()",
      },
      'on: test/setup.ts calls install()',
    ],
    [
      'by a setup file that imports the entry',
      {
        ...config("{ setupFiles: [resolve(__dirname, 'test/setup.js')] }"),
        'test/setup.ts': "import 'portside/vitest/setup'",
      },
      "on: test/setup.ts imports 'portside/vitest/setup'",
    ],
    [
      'by a configuration that this one imports',
      {
        'vitest.config.ts': "import base from './vitest.shared'\nexport default mergeConfig(base, defineConfig({}))",
        'vitest.shared.ts': "export default defineConfig({ test: { setupFiles: ['portside/vitest/setup'] } })",
      },
      "on: setupFiles in vitest.shared.ts has 'portside/vitest/setup'",
    ],
    [
      'by a configuration that a script names',
      {
        'package.json': { scripts: { test: 'vitest run --config=test/unit.config.mts' } },
        'test/unit.config.mts': "export default { test: { setupFiles: ['portside/vitest/setup'] } }",
      },
      "on: setupFiles in test/unit.config.mts has 'portside/vitest/setup'",
    ],
    [
      'in vite.config',
      { 'vite.config.ts': "export default defineConfig({ test: { setupFiles: ['portside/vitest/setup'] } })" },
      "on: setupFiles in vite.config.ts has 'portside/vitest/setup'",
    ],
    [
      'in the shape that create-vite writes, with a function',
      {
        'vite.config.js':
          "/// <reference types=\"vitest/config\" />\nimport { defineConfig } from 'vite'\nimport react from '@vitejs/plugin-react'\n\n// https://vite.dev/config/\nexport default defineConfig(({ mode }) => ({\n  plugins: [react()],\n  test: { setupFiles: ['portside/vitest/setup'] },\n}))\n",
        'package.json': { devDependencies: { vitest: '^4' } },
      },
      "on: setupFiles in vite.config.js has 'portside/vitest/setup'",
    ],
    [
      'with satisfies and as const',
      {
        'vitest.config.mts':
          "export default {\n  test: { setupFiles: ['portside/vitest/setup'] as const, globals: true },\n} satisfies ViteUserConfig",
      },
      "on: setupFiles in vitest.config.mts has 'portside/vitest/setup'",
    ],
    [
      'in an async function',
      {
        'vitest.config.mjs':
          "export default defineConfig(async () => {\n  const x = await read()\n  return { test: { setupFiles: ['portside/vitest/setup'] } }\n})",
      },
      "on: setupFiles in vitest.config.mjs has 'portside/vitest/setup'",
    ],
    [
      'with lines of Windows',
      { 'vitest.config.ts': "export default {\r\n  // x\r\n  test: {\r\n setupFiles: ['portside/vitest/setup'] } }" },
      ON,
    ],
  ])('%s', (_, given, expected) => {
    expect(summary('vitest', given)).toBe(expected)
  })
})

describe('a note of Vitest', () => {
  it.each<[string, Given, string]>([
    [
      'says that the mode is off',
      config("{ setupFiles: ['portside/vitest/setup'], provide: { portside: { leaks: { mode: 'off' } } } }"),
      "vitest.config.ts sets the mode of the leak check to 'off', so nothing is checked",
    ],
    [
      'says that the mode is warn',
      plugin("export default { plugins: [portside({ leaks: 'warn' })] }"),
      "vitest.config.ts sets the mode of the leak check to 'warn': leaks are printed, but no test fails",
    ],
    [
      'says which entry is meant for setupFiles',
      config("{ setupFiles: ['portside/vitest'] }"),
      "'portside/vitest' works in setupFiles; 'portside/vitest/setup' is the entry for it",
    ],
    [
      'says what isolate: false does to a setup file',
      { ...config("{ isolate: false, setupFiles: ['./s.ts'] }"), 's.ts': "import 'portside/vitest/setup'" },
      "vitest.config.ts has isolate: false: only the first file of a worker is checked; write setupFiles: ['portside/vitest/setup']",
    ],
    [
      'names test files that call install()',
      {
        ...config('{}'),
        'test/a.test.ts': "import { install } from 'portside/vitest'\ninstall()",
        'test/b.test.ts': "// from 'portside/vitest' install()",
      },
      'only files that call install() are checked, such as test/a.test.ts',
    ],
    [
      'names the versions that are supported',
      { ...config('{}'), 'node_modules/vitest/package.json': { version: '3.1.4' } },
      'portside supports Vitest 3.2 and newer',
    ],
  ])('%s', (_, given, note) => {
    expect(lookAt('vitest', given)?.notes).toEqual([note])
  })
})

const IMPORT = "import portside from 'portside/vitest/plugin'"

describe('the lines to add for Vitest', () => {
  it.each<[string, Given, string, string[]]>([
    [
      'are a configuration',
      { 'package.json': { devDependencies: { vitest: '4' } } },
      'vitest.config.mjs',
      [
        IMPORT,
        "import { defineConfig } from 'vitest/config'",
        '',
        'export default defineConfig({ plugins: [portside()] })',
      ],
    ],
    [
      'are added to the plugins',
      {
        'vite.config.ts': 'export default defineConfig({ plugins: [] })',
        'package.json': { scripts: { test: 'vitest' } },
      },
      'vite.config.ts',
      [IMPORT, 'portside(), in plugins'],
    ],
    ['are a setting', config('{ globals: true }'), 'vitest.config.ts', [IMPORT, 'plugins: [portside()],']],
    [
      'are a setup file in CommonJS, after the existing files',
      {
        'vitest.config.cjs': "module.exports = { test: { setupFiles: ['./a.cjs'] } }",
        'package.json': { scripts: { test: 'vitest' } },
      },
      'test in vitest.config.cjs',
      ["setupFiles: ['./a.cjs', 'portside/vitest/setup'],"],
    ],
  ])('%s', (_, given, addTo, add) => {
    expect(lookAt('vitest', given)).toMatchObject({ check: 'not set up', addTo, add })
  })
})
