import { type FeatureResult, resultsFile, runFeatures } from './feature.js'

/** The flags of the permission model that portside needs for more than its start, and the words for the table. */
const FLAGS = ['--allow-fs-write=*', '--allow-child-process', '--allow-worker'] as const
/** Without these nothing loads or listens. */
const ALWAYS = ['--allow-fs-read=*', '--allow-net'] as const

/** The features that fail without one of the flags, by that flag. `program` is a Node that restricts the network: 25 or newer. */
export async function featuresThatNeed(program: string): Promise<Map<string, string[]>> {
  const all = await okUnder(program, FLAGS)
  const needed = new Map<string, string[]>()
  for (const flag of FLAGS) {
    const left = await okUnder(
      program,
      FLAGS.filter((other) => other !== flag),
    )
    needed.set(
      flag.replace('=*', ''),
      [...all].filter((feature) => !left.has(feature)),
    )
  }
  return needed
}

async function okUnder(program: string, flags: readonly string[]): Promise<Set<string>> {
  const file = resultsFile()
  const granted = [...ALWAYS, `--allow-fs-write=${file}`, ...flags]
  const { results, output } = await runFeatures([program, '--permission', ...granted], file)
  if (results.length === 0) throw new Error(output)
  return new Set(results.filter(({ outcome }) => outcome === 'ok').map(nameOf))
}

const nameOf = ({ area, name }: FeatureResult): string => `${area}: ${name}`
