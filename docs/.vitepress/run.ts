import { join } from 'node:path'
import { build } from 'vitepress'
import { base } from './base.js'
import { deadLinks } from './check-links.js'
import { root } from './entries.js'
import { FAIL_ON_GAPS, gapsOf } from './gaps.js'
import { readReference } from './reference.js'

// `npm run docs`: the reference, the site, and the check of its links. `-- --gaps` lists what doc comments lack and builds nothing;
// `-- --reference` writes the reference only.

const { project, warnings, internalTypes, write } = await readReference()
const gaps = [...gapsOf(project), ...internalTypes]

if (process.argv.includes('--gaps')) {
  for (const gap of gaps) console.log(gap)
  console.log(`${gaps.length} gaps`)
} else {
  report('Warnings of TypeDoc', warnings)
  if (FAIL_ON_GAPS) report('Doc comments with gaps (docs/.vitepress/gaps.ts)', gaps)
  else if (gaps.length > 0) console.log(`${gaps.length} gaps in doc comments: npm run docs -- --gaps`)
  await write()
  report('Warnings of TypeDoc', warnings)
  if (!process.argv.includes('--reference')) {
    await build(join(root, 'docs'))
    report('Dead links', deadLinks(join(root, 'docs/.vitepress/dist'), base))
  }
}

function report(title: string, problems: readonly string[]): void {
  if (problems.length === 0) return
  console.error(`${title}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
  process.exit(1)
}
