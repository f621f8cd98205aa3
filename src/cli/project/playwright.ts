import { join } from 'node:path'
import { imports, readMode } from './common.js'
import { findFile, installedVersion, type Project } from './find-project.js'
import { type Conclusion, conclude, Evidence, type RunnerReport } from './report.js'
import { optionValues, runsOf } from './scripts.js'
import { load, settingsOf, testFiles } from './sources.js'

const ENTRY = 'portside/playwright'
const PACKAGE = '@playwright/test'
const CONFIGS = ['ts', 'js', 'mts', 'mjs', 'cts', 'cjs'].map((ending) => `playwright.config.${ending}`)

/** Reports how a project sets Playwright Test up. Undefined if the project does not use it. */
export function lookAtPlaywright(project: Project, env: Conclusion['env']): RunnerReport | undefined {
  const runs = runsOf(project.commands, ['playwright']).filter(({ after }) => after[0] === 'test')
  const config = findFile(project, CONFIGS)
  if (runs.length === 0 && config === undefined && !project.dependencies.has(PACKAGE)) return undefined
  const version = installedVersion(project, PACKAGE)
  const evidence = new Evidence()
  const named = runs.flatMap(({ after }) => optionValues(after, '--config', '-c'))
  for (const name of new Set([...(config === undefined ? [] : [config]), ...named])) {
    const loaded = load(project, join(project.root, name))
    evidence.unclear.push(...(loaded?.problems ?? []))
    for (const source of loaded?.sources ?? []) readMode(settingsOf(source), evidence)
  }
  readTestFiles(project, evidence)
  const [major = 1, minor = 50] = version?.split('.').map(Number) ?? []
  if (major < 1 || (major === 1 && minor < 50)) evidence.notes.add('portside supports Playwright 1.50 and newer')
  return conclude(evidence, { name: 'playwright', version, config: config ?? named[0], runs, env, advice: ADVICE })
}

const ADVICE = { add: [`import { expect, test } from '${ENTRY}'`], addTo: `test files, in place of '${PACKAGE}'` }

/** Test files import `test` from the entry, or from a file of the project that does. */
function readTestFiles(project: Project, evidence: Evidence): void {
  const without: string[] = []
  for (const { file, text } of testFiles(project)) {
    if (!/playwright|['"]\.\.?\//.test(text) || OTHER_RUNNER.test(text)) continue
    const loaded = load(project, join(project.root, file))?.sources ?? []
    const source = loaded.find((one) => imports(one, ENTRY))
    if (source !== undefined) {
      if (evidence.on.length === 0) evidence.on.push(`${source.file} imports '${ENTRY}'`)
      readMode(settingsOf(source), evidence)
    } else if (loaded.some((one) => imports(one, PACKAGE))) without.push(file)
  }
  if (evidence.on.length === 0 || without.length === 0) return
  const more = without.length > MOST_NAMED ? ` and ${without.length - MOST_NAMED} more` : ''
  evidence.notes.add(
    `test files that import test from '${PACKAGE}' are not checked: ${without.slice(0, MOST_NAMED).join(', ')}${more}`,
  )
}

/** A test file of another runner. */
const OTHER_RUNNER = /from ['"](?:vitest|node:test|@jest\/globals|bun:test)['"]/

const MOST_NAMED = 3
