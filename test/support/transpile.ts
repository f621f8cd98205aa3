import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { transformSync } from 'esbuild'
import type { TestProject } from 'vitest/node'
import { writeGenerated } from './generated.js'

/**
 * Builds generated/src from the sources, which the programs of tests run in plain Node. A TypeScript loader starts more slowly than
 * most of these programs run.
 */
export default function transpile(project: TestProject): void {
  transpileSources()
  project.onTestsRerun(async () => transpileSources())
}

function transpileSources(): void {
  const sources = join(import.meta.dirname, '../../src')
  const names = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  const files = names.map((name): [string, string] => {
    const { code } = transformSync(readFileSync(join(sources, name), 'utf8'), { loader: 'ts', target: 'node20' })
    return [name.replace(/\.ts$/, '.js'), code]
  })
  writeGenerated('src', new Map(files))
}
