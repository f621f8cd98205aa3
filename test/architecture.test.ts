import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { layerViolations } from './support/layers.js'

const src = join(import.meta.dirname, '../src')

test('every import in src points down the layers, and only platform/ asks for the platform', () => {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const sources = files.map((file) => [file.replaceAll('\\', '/'), readFileSync(join(src, file), 'utf8')])
  expect(sources.length).toBeGreaterThan(20)
  expect(layerViolations(Object.fromEntries(sources))).toEqual([])
})
