import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { FeatureResult } from '../runtimes/feature.js'
import { CONSUMER } from './consumer.js'
import type { Wine } from './wine.js'

const LIMIT = 300

/** Runs the list of features of the installed package under a Node for Windows. */
export async function windowsFeatures(
  wine: Wine,
  node: string,
  env: Readonly<Record<string, string>>,
): Promise<{ results: readonly FeatureResult[]; output: string }> {
  const written = join(wine.drive, CONSUMER, 'results.json')
  rmSync(written, { force: true })
  const args = ['features.mjs', 'node_modules\\portside\\dist', 'results.json']
  const { output } = await wine.run(node, args, { folder: CONSUMER, seconds: LIMIT, env })
  // It died before the first result.
  return { results: existsSync(written) ? JSON.parse(readFileSync(written, 'utf8')) : [], output }
}
