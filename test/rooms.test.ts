import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createRooms, markOf } from '../src/rooms.js'

let folder: string
const require = createRequire(import.meta.url)

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portside-rooms-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Rooms with these bodies, each in a file. */
function roomsOf(bodies: Record<string, string>, ahead: readonly string[] = Object.keys(bodies)) {
  for (const [name, body] of Object.entries(bodies)) {
    writeFileSync(join(folder, `${name}.cjs`), `${markOf(name)}module.exports=(function(use,module){${body}});`)
  }
  const files = Object.keys(bodies).map((name) => {
    const load = () => require(join(folder, `${name}.cjs`))
    return [name, { load, ahead: ahead.includes(name) }] as const
  })
  return createRooms(Object.fromEntries(files), folder, require)
}

test('a room is evaluated when it is first used, and once', () => {
  const use = roomsOf({ one: 'module.exports = { value: {} }', other: "throw new Error('evaluated')" })
  expect(use('one').value).toBe(use('one').value)
})

test('rooms may use each other', () => {
  const use = roomsOf({
    even: "module.exports = { isEven: (n) => n === 0 || use('odd').isOdd(n - 1) }",
    odd: "module.exports = { isOdd: (n) => n !== 0 && use('even').isEven(n - 1) }",
  })
  expect(use('even').isEven(10)).toBe(true)
})

test('a room that was read ahead does not need its file', () => {
  const use = roomsOf({ one: 'module.exports = { value: 1 }', other: 'module.exports = { value: 2 }' }, ['one'])
  use.readAhead()
  rmSync(join(folder, 'one.cjs'))
  rmSync(join(folder, 'other.cjs'))
  expect(use('one').value).toBe(1)
  expect(() => use('other')).toThrow('other.cjs')
})

test('a room that cannot be read ahead throws only when it is used', () => {
  const use = roomsOf({ one: 'module.exports = { value: 1 }' })
  rmSync(join(folder, 'one.cjs'))
  use.readAhead()
  expect(() => use('one')).toThrow('one.cjs')
})

test('reading ahead early skips rooms that can be read later', () => {
  const use = roomsOf({ one: 'module.exports = { value: 1 }' })
  use.readAhead({ early: true })
  rmSync(join(folder, 'one.cjs'))
  expect(() => use('one')).toThrow('one.cjs')
})

test.each([
  ['no file', undefined],
  ['a file of another package', "throw new Error('evaluated')"],
])('a room of a bundle, with %s beside it, is loaded by its require', (_, text) => {
  if (text !== undefined) writeFileSync(join(folder, 'one.cjs'), text)
  const use = createRooms(
    { one: { load: () => (_use, room) => Object.assign(room.exports, { value: 1 }), ahead: true } },
    folder,
    require,
  )
  use.readAhead()
  expect(use('one').value).toBe(1)
})

test('two copies share nothing', () => {
  const bodies = { one: 'module.exports = { value: {} }' }
  expect(roomsOf(bodies)('one').value).not.toBe(roomsOf(bodies)('one').value)
})
