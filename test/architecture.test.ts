import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { foreignAccess } from './support/foreign-objects.js'
import { circlesIn, layerViolations } from './support/layers.js'

const src = join(import.meta.dirname, '../src')

const sources = Object.fromEntries(readSources())

test('every import in src points down the layers, and only platform/ asks for the platform', () => {
  expect(Object.keys(sources).length).toBeGreaterThan(20)
  expect(layerViolations(sources)).toEqual([])
})

test('no files in src import each other in a circle', () => {
  expect(circlesIn(sources)).toEqual([])
})

test('src replaces methods of other objects through patch(), and reads private members of Node in one file', () => {
  expect(foreignAccess(sources)).toEqual([])
})

test('runners know of leaks/ what leak-check.ts and main-process.ts give', () => {
  const known = Object.entries(sources).flatMap(([file, text]) =>
    file.startsWith('runners/') ? [...text.matchAll(/'\.\.\/leaks\/([^']+)'/g)].map(([, name]) => name) : [],
  )
  expect(new Set(known)).toEqual(new Set(['leak-check.js', 'main-process.js']))
})

function readSources(): Array<[string, string]> {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  return files.map((file) => [file.replaceAll('\\', '/'), readFileSync(join(src, file), 'utf8')])
}
