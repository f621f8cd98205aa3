import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { OUTCOMES } from '../src/assertions/outcomes.js'
import { kindOfCode } from '../src/explanations/failure-kind.js'
import * as portside from '../src/index.js'
import { createScope } from '../src/index.js'
import { closers } from '../src/leaks/closers.js'

// Checks the steps of the recipes in CONTRIBUTING.md, and names a step that is missing.

const root = join(import.meta.dirname, '..')
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8')
const exported = Object.keys(portside)

/** Each file of a step, and what must stand in it for a name. */
type Steps = ReadonlyArray<readonly [file: string, mark: (name: string) => string]>

function checkSteps(names: readonly string[], steps: Steps): void {
  describe.each(steps)('%s', (file, mark) => {
    test.each(names)('has %s', (name) => {
      expect(textOf(file)).toContain(mark(name))
    })
  })
}

describe('a kind of server', () => {
  const kinds = exported.filter((name) => /^listen[A-Z]/.test(name))

  test.each(kinds)('%s is a method of a scope', (name) => {
    expect(createScope()).toHaveProperty(name)
  })

  checkSteps(kinds, [
    ['docs/servers.md', (name) => `| \`${name}(`],
    ['README.md', (name) => `\`${name}`],
    ['test/servers/contract.test.ts', (name) => `'${name}'`],
  ])
})

describe('an endpoint', () => {
  const endpoints = exported.filter((name) => /^[a-z]+Endpoint$/.test(name) && name !== 'formatEndpoint')

  test.each(endpoints)('%s is a method of a scope', (name) => {
    expect(createScope()).toHaveProperty(name)
  })

  checkSteps(endpoints, [
    ['docs/endpoints.md', (name) => `## ${name}`],
    ['docs/stability.md', (name) => `\`${name}\``],
    ['test/endpoints/contract.test.ts', (name) => `name: '${name}`],
  ])
})

describe('a package for the line fix', () => {
  const folder = 'fixtures/projects/clients/clients'
  const cases = readdirSync(join(root, folder)).map((file) => textOf(join(folder, file)))
  const calls = [...closers()].flatMap(([name, { client = [], listener = [] }]) =>
    // An idle connection is not a leak by default, and a client that reconnects was connected before.
    [...client, ...listener].flatMap(({ call, idle }) =>
      idle || / of its /.test(call) ? [] : [[name, call] as const],
    ),
  )

  test.each(calls)('%s: a test of `npm run clients` closes by %s', (_name, call) => {
    expect(cases.some((text) => text.includes(`'${call}'`))).toBe(true)
  })
})

describe('an outcome', () => {
  const outcomes = Object.keys(OUTCOMES)

  test.each(outcomes)('%s has an assertion that is exported', (name) => {
    expect(exported).toContain(`assert${name}`)
  })

  checkSteps(outcomes, [
    ['src/assertions/matcher-types.ts', (name) => `  toBe${name}(`],
    ['docs/assertions.md', (name) => `| \`assert${name}\` | \`toBe${name}\` |`],
    ['test/types/vitest.ts', (name) => `toBe${name}(`],
    ['test/types/jest.ts', (name) => `toBe${name}(`],
  ])

  test.each(outcomes)('%s is met by a situation', (name) => {
    const situations = ['situations.ts', 'namespaces.test.ts', 'failures.test.ts', 'outcomes.test.ts']
    expect(situations.some((file) => textOf(`test/assertions/${file}`).includes(`assert${name}`))).toBe(true)
  })
})

describe('an entry for a runner', () => {
  const { exports } = JSON.parse(textOf('package.json')) as { exports: Record<string, unknown> }
  // An entry that is only a file is for a program that looks for it by that name.
  const entries = Object.keys(exports)
    .filter((name) => name !== '.' && typeof exports[name] === 'object')
    .map((name) => `portside${name.slice(1)}`)

  checkSteps(entries, [
    ['tsconfig.json', (name) => `"${name}":`],
    ['src/cli/project/entries.ts', (name) => `'${name}':`],
  ])

  test.each(entries)('%s is documented', (name) => {
    const pages = [
      'README.md',
      ...readdirSync(join(root, 'docs'))
        .filter((page) => page.endsWith('.md'))
        .map((page) => `docs/${page}`),
    ]
    expect(pages.some((page) => textOf(page).includes(name))).toBe(true)
  })
})

describe('a code', () => {
  const codes = [...textOf('src/errors.ts').matchAll(/^ {2}\| '(ERR_PORTSIDE_\w+)'$/gm)].map(([, code = '']) => code)

  test.each(codes)('%s is raised somewhere', (code) => {
    const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(
      (file) => file.endsWith('.ts') && file !== 'errors.ts',
    )
    expect(sources.some((file) => textOf(`src/${file}`).includes(`'${code}'`))).toBe(true)
  })

  test('of the kernel has one kind', () => {
    expect(kindOfCode('ECONNREFUSED')).toBe('refused')
    expect(kindOfCode('ERR_SSL_WRONG_VERSION_NUMBER')).toBe('other-protocol')
    expect(kindOfCode('EFROBNICATE')).toBe('unknown')
  })
})
