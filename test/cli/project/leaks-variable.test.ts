import { describe, expect, it } from 'vitest'
import { type Given, lookAt, summary } from './files.js'

const ON = "on: setupFiles in vitest.config.ts has 'portside/vitest/setup'"
const config = (test: string, before = ''): Given => ({
  'vitest.config.ts': `import { defineConfig } from 'vitest/config'\n${before}\nexport default defineConfig({ test: ${test} })\n`,
})
const _plugin = (text: string): Given => ({
  'vitest.config.ts': `import portside from 'portside/vitest/plugin'\nimport { defineConfig } from 'vitest/config'\n${text}`,
})

describe('PORTSIDE_LEAKS', () => {
  const set = config("{ setupFiles: ['portside/vitest/setup'] }")
  const scripts = (all: Record<string, string>): Given => ({ ...set, 'package.json': { scripts: all } })

  it.each<[string, Given, Record<string, string>, string]>([
    [
      'is off in the environment',
      set,
      { PORTSIDE_LEAKS: 'off' },
      `off: ${ON.slice(4)} | OFF PORTSIDE_LEAKS is off in the environment -> remove PORTSIDE_LEAKS, or set it to warn`,
    ],
    [
      'is off in the environment, and not set by the scripts',
      scripts({ test: 'vitest', more: 'vitest --ui' }),
      { PORTSIDE_LEAKS: 'off' },
      `off: ${ON.slice(4)} | OFF PORTSIDE_LEAKS is off in the environment -> remove PORTSIDE_LEAKS, or set it to warn`,
    ],
    [
      'is off in every script',
      scripts({ test: 'PORTSIDE_LEAKS=off vitest' }),
      {},
      `off: ${ON.slice(4)} | OFF PORTSIDE_LEAKS is off in the script 'test' -> remove PORTSIDE_LEAKS, or set it to warn`,
    ],
    [
      'is off by cross-env',
      scripts({ test: 'cross-env PORTSIDE_LEAKS=off vitest' }),
      {},
      `off: ${ON.slice(4)} | OFF PORTSIDE_LEAKS is off in the script 'test' -> remove PORTSIDE_LEAKS, or set it to warn`,
    ],
    [
      'is off by export',
      scripts({ test: 'export PORTSIDE_LEAKS=off && vitest' }),
      {},
      `off: ${ON.slice(4)} | OFF PORTSIDE_LEAKS is off in the script 'test' -> remove PORTSIDE_LEAKS, or set it to warn`,
    ],
    [
      'is off in the environment, and set by the script',
      scripts({ test: 'PORTSIDE_LEAKS=fail vitest' }),
      { PORTSIDE_LEAKS: 'off' },
      ON,
    ],
    [
      'is not a valid mode',
      set,
      { PORTSIDE_LEAKS: 'wran' },
      `${ON} | WRONG PORTSIDE_LEAKS is 'wran' -> set PORTSIDE_LEAKS to fail, warn or off`,
    ],
    ['is empty', set, { PORTSIDE_LEAKS: '' }, ON],
  ])('%s', (_, given, env, expected) => {
    expect(summary('vitest', given, env)).toBe(expected)
  })

  it('causes a note if it is off in the environment and only some scripts set it', () => {
    const given = scripts({ test: 'PORTSIDE_LEAKS=fail vitest', more: 'vitest' })
    expect(lookAt('vitest', given, { PORTSIDE_LEAKS: 'off' })).toMatchObject({
      check: 'on',
      notes: ['PORTSIDE_LEAKS is off in the environment: nothing is checked in scripts that do not set it'],
    })
  })

  it('causes a note if it is warn', () => {
    expect(lookAt('vitest', set, { PORTSIDE_LEAKS: 'warn' })).toMatchObject({
      check: 'on',
      notes: ['PORTSIDE_LEAKS is warn: leaks are printed, but no test fails'],
    })
  })

  it('causes a note that names the script if it is off in one script', () => {
    const report = lookAt('vitest', scripts({ test: 'vitest', fast: 'PORTSIDE_LEAKS=off vitest' }))
    expect(report).toMatchObject({
      check: 'on',
      notes: ["the check is off in the script 'fast': it sets PORTSIDE_LEAKS to off"],
    })
  })
})
