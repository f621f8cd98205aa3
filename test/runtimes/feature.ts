import { execFile } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** The result of a feature under a runtime. */
export interface FeatureResult {
  readonly area: string
  readonly name: string
  readonly outcome: 'ok' | 'unsupported' | 'failed'
  readonly detail: string
}

const ROOT = join(import.meta.dirname, '../..')
const LIMIT = 300_000

/** A path for the results of one run. */
export const resultsFile = (): string =>
  join(tmpdir(), `portside-features-${process.pid}-${Math.random().toString(36).slice(2)}.json`)

/** Runs the features under a runtime. The results that it wrote count, also if the process died afterwards. */
export async function runFeatures(
  [program, ...args]: readonly [string, ...string[]],
  file = resultsFile(),
): Promise<{ results: FeatureResult[]; output: string }> {
  const words = [...args, join(import.meta.dirname, 'features.mjs'), join(ROOT, 'dist'), file]
  const options = { cwd: ROOT, timeout: LIMIT, maxBuffer: 2 ** 26, env: { ...process.env, NO_COLOR: '1' } }
  const output = await promisify(execFile)(program, words, options).then(
    ({ stdout, stderr }) => stdout + stderr,
    (error) => `${error.stdout ?? ''}${error.stderr ?? ''}${error.message}`,
  )
  try {
    return { results: JSON.parse(readFileSync(file, 'utf8')) as FeatureResult[], output }
  } catch {
    // It died before the first result.
    return { results: [], output }
  } finally {
    rmSync(file, { force: true })
  }
}
