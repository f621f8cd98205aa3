import { execFile, execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { promisify } from 'node:util'
import { packInto } from '../runners/consumers/project.js'
import { installPacked } from '../support/pack.js'
import { pinning } from './machine.js'
import type { Peers } from './peers.js'

const root = join(import.meta.dirname, '../..')

/** Where measures run: a Node, and a folder with the packed portside, its peers and the programs of the benchmark. */
export interface Lab {
  readonly node: string
  /** Of that Node. */
  readonly major: number
  readonly quick: boolean
  /** A folder in which `portside` and every peer can be imported. */
  readonly folder: string
  /** Of the repository. */
  readonly root: string
  /** `full`, or `quick` in a quick run. */
  times(full: number, quick: number): number
  /** Collects what each run says, by name. */
  inRuns(take: () => Promise<Readonly<Record<string, number>>>): Promise<Record<string, number[]>>
  /** The JSON that a program of test/bench/programs prints. It has one CPU, unless it starts other programs. */
  program<Printed>(name: string, args: readonly (string | number)[], options?: ProgramOptions): Promise<Printed>
  /** Wall-clock milliseconds of Node with these arguments on one CPU, from its start to its end. */
  timeOf(args: readonly string[]): number
}

interface ProgramOptions {
  /** For Node, before the program. */
  readonly node?: readonly string[]
  readonly severalCpus?: boolean
}

/** A folder for the whole run, with the packed portside. */
export async function setUp(peers: Peers): Promise<{ folder: string; remove(): void }> {
  const folder = mkdtempSync(join(peers.folder, 'run-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  try {
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
    await installPacked({ tarball: await packInto(folder) }, folder)
    cpSync(join(import.meta.dirname, 'programs'), join(folder, 'programs'), { recursive: true })
    mkdirSync(join(folder, 'suites'))
  } catch (error) {
    remove()
    throw error
  }
  return { folder, remove }
}

const RUNS = 5

export function labOf({ node, folder, quick }: Pick<Lab, 'node' | 'folder' | 'quick'>): Lab {
  const pinned = pinning()
  const command = (args: readonly string[], severalCpus = false): [string, string[]] => {
    const [first = node, ...rest] = severalCpus ? [node, ...args] : [...pinned, node, ...args]
    return [first, rest]
  }
  const options = { cwd: folder, maxBuffer: 2 ** 26, encoding: 'utf8' } as const
  return {
    node,
    major: Number.parseInt(versionOf(node).slice(1), 10),
    quick,
    folder,
    root,
    times: (full, inQuick) => (quick ? inQuick : full),
    inRuns: async (take) => {
      const samples: Record<string, number[]> = {}
      for (let run = 0; run < (quick ? 1 : RUNS); run++) {
        for (const [name, value] of Object.entries(await take())) (samples[name] ??= []).push(value)
      }
      return samples
    },
    program: async (name, args, { node: nodeArgs = [], severalCpus = false } = {}) => {
      const path = isAbsolute(name) ? name : join(folder, 'programs', name)
      const [file, all] = command([...nodeArgs, path, ...args.map(String)], severalCpus)
      const { stdout } = await promisify(execFile)(file, all, options)
      // A preloaded module may print, too.
      return JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
    },
    timeOf: (args) => {
      const [file, all] = command(args)
      const begun = performance.now()
      execFileSync(file, all, { ...options, stdio: ['ignore', 'ignore', 'inherit'] })
      return performance.now() - begun
    },
  }
}

export function versionOf(node: string): string {
  return execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()
}

/** Milliseconds of CPU that the ended children of this process and theirs have used, or undefined where /proc does not say (proc(5)). */
export function cpuOfChildren(): number | undefined {
  if (process.platform !== 'linux') return undefined
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  // Fields 16 and 17, in ticks of a hundredth of a second; field 3 is the first behind the name.
  return (Number(fields[13]) + Number(fields[14])) * 10
}
