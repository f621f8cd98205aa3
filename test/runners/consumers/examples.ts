import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeBlocks } from '../../support/code-blocks.js'
import { readPage } from '../../support/documentation.js'
import type { Expected } from './expected.js'
import type { Project } from './project.js'

/** Writes each `js` block with a test to a CommonJS test file. All of its tests must pass. */
export function writeExamples({ folder }: Project, page: string): Record<string, Expected> {
  const files: Record<string, Expected> = {}
  for (const { language, line, code } of codeBlocks(readPage(page))) {
    const passed = [...code.matchAll(/^\s*(?:test|it)\('(.+?)'/gm)].map(([, title = '']) => title)
    if (language !== 'js' || passed.length === 0) continue
    const file = `example-${line}.test.cjs`
    writeFileSync(join(folder, file), code)
    files[file] = { passed, failed: {} }
  }
  if (Object.keys(files).length === 0) throw new Error(`${page} has no example with a test`)
  return files
}
