import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { blocksOf, commandOf, OTHER_RUNNERS } from './compat/other-runners.js'

// docs/other-runners.md shows the files that `npm run compat` runs.

const fixtures = join(import.meta.dirname, '../../fixtures/projects/other-runners')

/** The hook and the configuration, without the test files. */
function hookFiles(folder: string): string[] {
  return readdirSync(join(fixtures, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => !/\.(test|spec)\.js$|\.feature$|[\\/]steps[\\/]|package\.json$/.test(path))
    .map((path) => readFileSync(path, 'utf8').trimEnd())
}

test('every project of another runner is in the table', () => {
  expect(OTHER_RUNNERS.map(({ folder }) => folder).sort()).toEqual(readdirSync(fixtures).sort())
})

describe.each(OTHER_RUNNERS)('$heading', (runner) => {
  const blocks = blocksOf(runner)

  test('has its files on the page, word for word', () => {
    const shown = blocks.filter(({ language }) => language !== 'sh').map(({ code }) => code)
    expect(shown.sort()).toEqual(hookFiles(runner.folder).sort())
  })

  test('has one command on the page, which runs its program', () => {
    expect(blocks.filter(({ language }) => language === 'sh')).toHaveLength(1)
    expect(commandOf(runner).slice(0, 1)).toEqual(['npx'])
    expect(commandOf(runner).length).toBeGreaterThan(1)
  })
})
