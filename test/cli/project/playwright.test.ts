import { describe, expect, it } from 'vitest'
import { type Given, lookAt, summary } from './files.js'

const config = (text = 'export default {}'): Given => ({ 'playwright.config.ts': text })
const SPEC = "import { expect, test } from 'portside/playwright'"

describe('the check of Playwright is on', () => {
  it.each<[string, Given, string]>([
    [
      'by an import of a test file',
      { ...config(), 'tests/a.spec.ts': SPEC },
      "on: tests/a.spec.ts imports 'portside/playwright'",
    ],
    [
      'by a require of a test file',
      { 'playwright.config.cjs': '', 'e2e/a.test.js': "const { test } = require('portside/playwright')" },
      "on: e2e/a.test.js imports 'portside/playwright'",
    ],
    [
      'by a file that test files import',
      {
        'package.json': { scripts: { e2e: 'playwright test' } },
        'e2e/fixtures.ts': "import { test as base } from 'portside/playwright'\nexport const test = base.extend({})",
        'e2e/a.spec.ts': "import { test } from './fixtures'",
      },
      "on: e2e/fixtures.ts imports 'portside/playwright'",
    ],
  ])('%s', (_, given, expected) => {
    expect(summary('playwright', given)).toBe(expected)
  })
})

describe('the check of Playwright is not on', () => {
  it.each<[string, Given, string]>([
    ['without an import', { ...config(), 'tests/a.spec.ts': "import { test } from '@playwright/test'" }, 'not set up'],
    ['with the import in a comment', { ...config(), 'tests/a.spec.ts': `// ${SPEC}` }, 'not set up'],
    [
      'with an import of webServer() in the configuration alone',
      config("import { webServer } from 'portside/playwright'\nexport default { webServer: webServer('npm start') }"),
      'not set up',
    ],
    ['without Playwright', { 'tests/a.spec.ts': SPEC }, 'not used'],
    [
      'with playwright for something else',
      { 'package.json': { scripts: { setup: 'playwright install' } } },
      'not used',
    ],
  ])('%s', (_, given, expected) => {
    expect(summary('playwright', given)).toBe(expected)
  })

  it('says what to add', () => {
    expect(lookAt('playwright', { 'package.json': { devDependencies: { '@playwright/test': '1' } } })).toMatchObject({
      check: 'not set up',
      add: ["import { expect, test } from 'portside/playwright'"],
      addTo: "test files, in place of '@playwright/test'",
    })
  })
})

describe('a note of Playwright', () => {
  it.each<[string, Given, string]>([
    [
      'names test files without the check',
      { ...config(), 'a.spec.ts': SPEC, 'b.spec.ts': "import { test } from '@playwright/test'" },
      "test files that import test from '@playwright/test' are not checked: b.spec.ts",
    ],
    [
      'names a mode that fails nothing',
      { ...config("export default { use: { leaks: 'warn' } }"), 'a.spec.ts': SPEC },
      "playwright.config.ts sets the mode of the leak check to 'warn': leaks are printed, but no test fails",
    ],
    [
      'names a mode of a file that a script names',
      {
        'package.json': { scripts: { test: 'playwright test -c e2e.config.ts' } },
        'e2e.config.ts': "export default { use: { leaks: { mode: 'off' } } }",
        'a.spec.ts': SPEC,
      },
      "e2e.config.ts sets the mode of the leak check to 'off', so nothing is checked",
    ],
    [
      'names a version that is too old',
      {
        ...config(),
        'a.spec.ts': SPEC,
        'node_modules/@playwright/test/package.json': { version: '1.49.1' },
      },
      'portside supports Playwright 1.50 and newer',
    ],
  ])('%s', (_, given, expected) => {
    expect(lookAt('playwright', given)?.notes).toEqual([expected])
  })
})
