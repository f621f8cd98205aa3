import { expect, test } from 'vitest'
import { SharedImports, takeImports } from './imports.js'

const all = (...programs: string[]): string => {
  const shared = new SharedImports()
  for (const program of programs) shared.add(takeImports(program).imports)
  return shared.toString()
}

test('takes imports of every form, and leaves an empty line for each of theirs', () => {
  const program = [
    "import 'portside/register'",
    "import net, { type Socket } from 'node:net'",
    "import * as portside from 'portside'",
    'import {',
    '  listenTcp as listen,',
    '  listenUdp,',
    "} from 'portside'",
    "import type { NetScope } from 'portside'",
    '',
    "await import('portside')",
  ]
  const { rest } = takeImports(program.join('\n'))
  expect(rest).toBe(`${'\n'.repeat(9)}await import('portside')`)
  expect(all(program.join('\n')).split('; ')).toEqual([
    "import 'portside/register'",
    "import net from 'node:net'",
    "import type { Socket } from 'node:net'",
    "import * as portside from 'portside'",
    "import { listenTcp as listen } from 'portside'",
    "import { listenUdp } from 'portside'",
    "import type { NetScope } from 'portside'",
  ])
})

test('imports a name once, as a value if one program needs that', () => {
  const [value, type] = ["import { Socket } from 'node:net'", "import { type Socket } from 'node:net'"]
  expect(all(type, value)).toBe(value)
  expect(all(value, type)).toBe(value)
})

test('accepts no name that stands for something else already', () => {
  const shared = new SharedImports()
  shared.add(takeImports("import { test } from 'vitest'").imports)
  expect(shared.accepts(takeImports("import { test } from 'vitest'").imports)).toBe(true)
  expect(shared.accepts(takeImports("import { test } from 'portside/vitest'").imports)).toBe(false)
  expect(shared.accepts(takeImports("import test from 'vitest'").imports)).toBe(false)
})
